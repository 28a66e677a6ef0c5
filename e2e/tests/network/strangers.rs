//! Nodes that do not belong here.

use e2e::cluster::Part;

use crate::world::{FOUR, World};

#[tokio::test]
async fn a_node_of_another_chain_is_refused_in_words_on_both_sides() {
    let (mut ours, mut theirs) = (World::new(&FOUR[..1]), World::new(&[Part::Full]));
    ours.start(&[0]);
    // Peers say as much of it as tells chains apart.
    let (genesis, boot_node) = (ours.genesis(0).await[..16].to_owned(), ours.storage_address(0).await);
    theirs.start_with(0, &["--bootnodes", &boot_node]);
    let other = theirs.genesis(0).await[..16].to_owned();
    assert_ne!(genesis, other);
    let (here, there) = (ours.peer_id(0).await, theirs.peer_id(0).await);
    let refusal = |peer: &str, theirs: &str, ours: &str| {
        format!(
            "the peer is of the chain with genesis {theirs}, ours is {ours}: it is left alone for a while peer={peer}"
        )
    };
    ours.node(0).has_said(&refusal(&there, &other, &genesis)).unwrap();
    theirs.node(0).has_said(&refusal(&here, &genesis, &other)).unwrap();
}
