//! The pure render, from the JSON that Nix prints to the YAML stream, at several sizes of town.
//!
//! The figure to watch is the time per agent: it should not grow with the town.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that cannot go on fails; criterion writes its items"
)]

use std::num::NonZero;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nuketown::{Selection, decode_town, to_kube_yaml};
use serde_json::json;

/// The command's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A town of `count` cloud agents, each with what a real one has.
fn town(count: u32) -> Vec<u8> {
    let agent = |i: u32| {
        let agent = json!({
            "role": "software",
            "description": format!("Agent number {i} of {count}.\nWorks on embedded systems, NixOS and web projects.\n"),
            "persist": ["projects", ".config/claude"],
            "daemon": {
                "apiKeySecret": format!("agent-{i}/anthropic-api-key"),
                "repos": { "nuketown": { "url": "git@github.com:joshperry/nuketown.git" } },
            },
            "github": { "enable": true },
            "network": { "egress": ["pypi.org:443", "*.pythonhosted.org:443"] },
            "cloud": { "persistSizes": { "projects": "50Gi" } },
        });
        (format!("agent-{i}"), agent)
    };
    let agents: serde_json::Map<_, _> = (0..count).map(agent).collect();
    let cloud = json!({ "enable": true, "scaling": { "maxResources": "large" } });
    let town = json!({ "domain": "6bit.com", "approver": "josh@6bit.com", "cloud": cloud, "agents": agents });
    town.to_string().into_bytes()
}

fn render(json: &[u8]) -> String {
    let town = decode_town(json).expect("the town is valid");
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    to_kube_yaml(&town, &Selection::default(), threads).expect("the town is valid").yaml
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("render");
    group.sample_size(10);
    for count in [1, 100, 1000, 10_000] {
        let json = town(count);
        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_with_input(BenchmarkId::from_parameter(count), &json, |bencher, json| {
            bencher.iter(|| render(json));
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
