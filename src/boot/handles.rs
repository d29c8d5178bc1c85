//! File handles: every connection takes one, and the store must never be without.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Handles beside those of connections: the store's files, sockets to gateways, relays and subscribers.
const BESIDE: u64 = 768;

/// Raises the soft limit of open files (`ulimit -n`) as far as `connections` need and the hard limit lets us; warns when that
/// is not enough.
pub(super) fn raise(connections: usize) {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(BESIDE);
    let limit = getrlimit(Resource::Nofile);
    if let Some(wanted) = wanted(&limit, needed)
        && let Err(cause) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })
    {
        tracing::warn!(%cause, "the limit of open files can't be raised");
    }
    if let Some(open) = getrlimit(Resource::Nofile).current.filter(|it| *it < needed) {
        tracing::warn!(open, needed, "fewer open files are allowed than http.limits.max_connections needs: raise LimitNOFILE, or lower it");
    }
}

// `None`: it is enough.
fn wanted(limit: &Rlimit, needed: u64) -> Option<u64> {
    let current = limit.current.filter(|it| *it < needed)?;
    Some(limit.maximum.map_or(needed, |most| needed.min(most)).max(current))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes_and_never_lowered() {
        let check = |current, maximum, expected: Option<u64>| {
            let limit = Rlimit { current, maximum };
            let raised = wanted(&limit, 4_608);
            assert_eq!(raised.or(limit.current), expected, "{limit:?}");
        };
        check(Some(1_024), Some(524_288), Some(4_608));
        check(Some(1_024), None, Some(4_608));
        check(Some(1_024), Some(4_096), Some(4_096));
        check(Some(65_536), Some(65_536), Some(65_536));
        check(None, None, None);
    }
}
