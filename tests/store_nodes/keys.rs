//! API keys on two nodes: one made at any of them counts at all, and so does its end; of changes at once none is lost.

use super::templates::{Hands, generous, on_postgres};
use crate::sample::{Time, at, vault};
use countersign::domain::scope::Scope;
use countersign::engine::draw::{Chance, SystemChance};
use countersign::engine::keys::{Denied, Keys, Made, Refused, Wish, text};
use countersign::store::contract::Notes;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// Changes that go on at once.
const CROWD: usize = 12;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn keys(notes: Arc<dyn Notes>, time: &Time) -> Arc<Keys> {
    let it = Keys::new(notes, vault(), Arc::new(Hands(time.clone())), Arc::new(SystemChance));
    it.register(["bank".into()]);
    Arc::new(it)
}

async fn make(keys: &Keys) -> Result<(String, Made), Refused> {
    let id = text::draw_id(&mut SystemChance.generator());
    let wish = Wish {
        id: id.clone(),
        publisher: "bank".into(),
        label: String::new(),
        scopes: [Scope::Create].into_iter().collect(),
        allow: Vec::new(),
        life: Duration::from_secs(86_400),
    };
    Ok((id, keys.create(wish).await?))
}

/// Keys made at once at all nodes: how many are left.
async fn crowd(nodes: &[Arc<Keys>]) -> usize {
    let tasks: Vec<_> = (0..CROWD)
        .map(|turn| {
            let it = nodes[turn % nodes.len()].clone();
            tokio::spawn(async move { make(&it).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    nodes[0].all().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_have_the_same_keys() {
    let time = Time::at(0);
    let nodes: Vec<_> = on_postgres(&time).await.into_iter().map(|it| keys(it, &time)).collect();
    let nobody = nodes[1].check("cs_", HERE).await;
    assert_eq!(nobody, Err(Denied::Wrong));
    let (id, made) = make(&nodes[0]).await.unwrap();
    assert_eq!(nodes[0].check(made.text.expose(), HERE).await.unwrap().id, id, "here at once");
    time.set(at(5));
    assert_eq!(nodes[1].check(made.text.expose(), HERE).await.unwrap().id, id, "there within five seconds");
    nodes[1].revoke(&id).await.unwrap();
    assert_eq!(nodes[1].check(made.text.expose(), HERE).await, Err(Denied::Wrong));
    time.set(at(10));
    assert_eq!(nodes[0].check(made.text.expose(), HERE).await, Err(Denied::Wrong));
    assert_eq!(crowd(&nodes).await, CROWD + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_duty_keys_are_lost() {
    let time = Time::at(0);
    let nodes: Vec<_> = generous(on_postgres(&time).await).into_iter().map(|it| keys(it, &time)).collect();
    assert!(crowd(&nodes).await < CROWD, "two nodes overwrite each other's list");
}
