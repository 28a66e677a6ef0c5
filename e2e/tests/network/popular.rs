//! Many who want the same file.

use e2e::bytes;
use e2e::cluster::Part;

use crate::world::{FOUR, World};

const READERS: usize = 12;
/// Pieces of four million bytes: what is shorter than one MiB is not worth naming others for.
const FILE_BYTES: usize = 8_000_000;

#[tokio::test]
async fn twelve_nodes_that_want_one_file_get_most_of_it_from_each_other() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1, 2, 3]);
    world.are_recorded(&[0, 1, 2, 3]);
    let data = bytes(12, FILE_BYTES);
    let receipt = world.submit_over_http(0, &data).await;
    let readers: Vec<usize> = (0..READERS).map(|_| world.add(Part::Full)).collect();
    world.start(&readers);
    let height = receipt["height"].as_u64().unwrap();
    for reader in &readers {
        world.reaches(*reader, height).await;
    }
    let id = receipt["fileId"].as_str().unwrap().to_owned();
    for read in world.download_at_once(&readers, &id).await {
        assert!(read == data);
    }
    let (mut committed, mut cached) = (0, 0);
    for index in (0..4).chain(readers) {
        committed += world.metric(index, "piecewise_dsn_served_bytes_total{source=\"committed\"}").await;
        cached += world.metric(index, "piecewise_dsn_served_bytes_total{source=\"cached\"}").await;
    }
    println!("{committed} bytes of committed pieces, {cached} of cached ones");
    assert!(committed + cached >= (READERS * FILE_BYTES) as u64, "{committed} and {cached}");
    assert!(committed < cached, "{committed} and {cached}");
}
