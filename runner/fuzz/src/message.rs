//! The bodies of messages, as the host reads what a wire brought.

use std::path::Path;
use std::sync::LazyLock;

use case::memory::ArenaKind;
use device::map::memory_map;
use device::{Death, Description, HowDied};
use link::hello::{Configure, Epitaph, Hello, MAX_REGIONS};
use link::message::{Head, MessageKind, Rounds};
use link::observations::{Audited, Changed, Exception, Observations, Report, SwitchTrace, Update};
use link::plan::Plan;
use link::soak::{Progress, Soak, Terms};
use zerocopy::{FromBytes, IntoBytes};

/// The target that sends: any would do.
static DESCRIPTION: LazyLock<Description> = LazyLock::new(|| {
    let text = include_str!("../../../suites/targets/qemu-max.yaml");
    Description::from_text(text, Path::new("qemu-max.yaml")).expect("a target of this repository")
});

/// Reads a body by its kind; `body` is 8-byte aligned. Says whether it makes sense.
pub fn read(head: &Head, body: &[u8]) -> bool {
    assert_eq!(body.len(), head.bytes as usize, "a wire hands out what the head says");
    assert_eq!(body.as_ptr().addr() % 8, 0, "a wire hands out aligned bodies");
    match head.kind().expect("a wire hands out messages of a kind that exists") {
        MessageKind::Hello => hello(body),
        MessageKind::Configure => configure(body),
        MessageKind::Ready | MessageKind::Open => true,
        MessageKind::Case => super::case::words(body),
        MessageKind::Repeat => Rounds::split(body).is_some_and(|(rounds, case)| {
            assert!(rounds > 0, "nothing would be asked");
            super::case::words(case)
        }),
        MessageKind::Observations | MessageKind::Repeated => observations(body),
        MessageKind::Brief => super::case::words(body),
        MessageKind::Digest => u64::read_from_bytes(body).is_ok(),
        MessageKind::Whole => body.is_empty(),
        MessageKind::Epitaph => epitaph(body),
        MessageKind::Plan => Plan::from_bytes(body).is_some(),
        MessageKind::Planned => u64::read_from_bytes(body).is_ok(),
        MessageKind::Terms => Terms::from_bytes(body).is_some(),
        MessageKind::Soak => Soak::read_from_bytes(body).is_ok(),
        MessageKind::Progress => progress(body),
    }
}

fn hello(body: &[u8]) -> bool {
    let Ok(hello) = Hello::read_from_bytes(body) else { return false };
    let free = hello.free();
    assert!(free.len() <= MAX_REGIONS);
    let Ok(map) = memory_map(&DESCRIPTION, free) else { return false };
    assert!(!map.arenas().is_empty());
    for arena in map.arenas().iter().filter(|arena| arena.kind == ArenaKind::Tables) {
        let reported = free.iter().any(|region| {
            arena.base >= region.base
                && u128::from(arena.base) + u128::from(arena.size)
                    <= u128::from(region.base) + u128::from(region.size)
        });
        let plugged = DESCRIPTION.dimms().iter().any(|dimm| dimm.address.0 == arena.base);
        assert!(reported || plugged, "{arena:x?} is nobody's to use");
    }
    assert_eq!(Configure::new(&map).map(), Some(map));
    true
}

fn progress(body: &[u8]) -> bool {
    // Where it began is not said: that of no cases begins where it ends.
    let next = u64::read_from_prefix(body).map_or(0, |(next, _)| next);
    let progress = [0, next].into_iter().find_map(|first| Progress::from_bytes(body, first));
    let Some(progress) = progress else { return false };
    assert!(progress.items().all(|item| item.is_some()), "it was read once");
    true
}

fn configure(body: &[u8]) -> bool {
    let Ok(configure) = Configure::read_from_bytes(body) else { return false };
    let Some(map) = configure.map() else { return false };
    assert_eq!(Configure::new(&map).map(), Some(map));
    true
}

fn observations(body: &[u8]) -> bool {
    let read = Observations::from_bytes(body);
    let Ok((report, _)) = Report::read_from_prefix(body) else {
        assert_eq!(read, None);
        return false;
    };
    let lists = [
        (report.answers, size_of::<u64>()),
        (report.exceptions, size_of::<Exception>()),
        (report.updates, size_of::<Update>()),
        (report.changed, size_of::<Changed>()),
        (report.traces, size_of::<SwitchTrace>()),
        (report.audited, size_of::<Audited>()),
    ];
    let needed = lists.iter().map(|&(count, size)| u128::from(count) * size as u128).sum::<u128>()
        + size_of::<Report>() as u128;
    let sound = report.status().is_some() && report.traces <= 1 && needed <= body.len() as u128;
    assert_eq!(read.is_some(), sound, "{report:?} in {} bytes", body.len());

    let Some(read) = read else { return false };
    let again = [
        read.report.as_bytes(),
        read.answers.as_bytes(),
        read.exceptions.as_bytes(),
        read.updates.as_bytes(),
        read.changed.as_bytes(),
        read.trace.map_or(&[], IntoBytes::as_bytes),
        read.audited.as_bytes(),
    ]
    .concat();
    assert_eq!(again, body[..needed as usize]);
    for exception in read.exceptions {
        let found = read.exception_of(exception.probe as usize);
        assert_eq!(found.map(|found| found.probe), Some(exception.probe));
    }
    true
}

fn epitaph(body: &[u8]) -> bool {
    let Ok(epitaph) = Epitaph::read_from_bytes(body) else { return false };
    let death = Death::of(HowDied::Epitaph(epitaph));
    assert!(!death.to_string().is_empty());
    true
}
