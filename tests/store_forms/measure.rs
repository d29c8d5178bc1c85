//! What a challenge takes in each form: one explicit phone, one message, one right answer.
//!
//! `cargo test --test store_forms what_a_challenge_takes -- --nocapture` tells the bytes.

use crate::ground::Ground;
use crate::life::{answer, open, settle};
use countersign::store::form::Form;

async fn bytes(form: Form) -> [[usize; 3]; 2] {
    let ground = Ground::new();
    let node = ground.start(&ground.settings, ground.options(form)).await.unwrap();
    open(&*node, 1).await.unwrap();
    let opened = ground.bytes();
    settle(&*node, 1).await.unwrap();
    answer(&*node, 1).await.unwrap();
    [opened, ground.bytes()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_challenge_takes() {
    let (first, second) = (bytes(Form::One).await, bytes(Form::Two).await);
    for (when, one, two) in [("opened", first[0], second[0]), ("answered", first[1], second[1])] {
        println!("{when}: row {} to {}, value {} to {}, beside it {} to {} bytes", one[0], two[0], one[1], two[1], one[2], two[2]);
        assert!(two[1] * 10 < one[1] * 8, "a value takes a fifth less at least");
        assert!(two[2] * 10 < one[2] * 9, "what is beside it, a tenth");
    }
}
