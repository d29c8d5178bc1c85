//! What a node gives back when it ends in order: deliveries that it has and has not sent. Others need not wait for its leases.

use super::shared::Shared;
use crate::store::contract::StoreError;
use std::collections::HashMap;

/// Makes them due for anybody. Those that are somebody else's by now stay theirs.
pub(super) async fn release(shared: &Shared) -> Result<usize, StoreError> {
    let mine: HashMap<_, _> = shared.leases.drain().into_iter().map(|it| (it.aggregate, it.fence)).collect();
    if mine.is_empty() {
        return Ok(0);
    }
    let text = "UPDATE aggregate SET send_at = due_at, node = NULL WHERE shard = $1 AND day = $2 AND id = $3 AND node = $4 AND fence = $5";
    let mut given = 0;
    for (id, fence) in mine {
        let (shard, day) = (i32::from(id.shard()), i32::from(id.day()));
        given += shared.execute(text, &[&shard, &day, &&id.0.as_bytes()[..], &shared.node, &(fence as i64)]).await? as usize;
    }
    Ok(given)
}
