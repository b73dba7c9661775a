//! Boot: from the start code to the first hello.
//!
//! ```text
//!  start.S --> boot: registers, device tree, console, timer      MMU off
//!                    El2Map::enter                               MMU on, device tree out of sight; or off for good
//!                    Hello --> serve
//! ```

use aarch64_cpu::registers::*;
use arrayvec::ArrayVec;
use executor::abi::MapFault;
use executor::free;
use executor::machine::Machine;
use link::config::Config;
use link::hello::{Epitaph, Hello, MAX_PES, MAX_REGIONS, OwnMap, Region};
use link::mark::Mark;
use link::surroundings::{Surroundings, Text};

use crate::payload::asm::{self, Image};
use crate::payload::console::{self, console};
use crate::payload::el2;
use crate::payload::el2_map::El2Map;
use crate::payload::idle::Idle;
use crate::payload::ids;
use crate::payload::image::config;
use crate::payload::in_flight;
use crate::payload::last_words;
use crate::payload::marks;
use crate::payload::monitor;
use crate::payload::platform;
use crate::payload::psci;
use crate::payload::serve;
use crate::payload::smp::Secondaries;
use crate::payload::transport::mailbox::Mailbox;

/// Entered at EL1: that is the end of it.
#[unsafe(no_mangle)]
extern "C" fn boot_el1(tree: u64) -> ! {
    // SAFETY: MMU off; the start code has looked at the device tree and cleaned it; nobody has used a console.
    unsafe { console::open(platform::machine(tree).console) };
    last_words::speak(Epitaph { reason: Epitaph::NO_EL2, ..Epitaph::default() })
}

/// At EL2 on the main stack, MMU off.
#[unsafe(no_mangle)]
extern "C" fn boot(tree: u64, entry_el: u64, entry_hcr_el2: u64, entry_sctlr_el2: u64) -> ! {
    // SAFETY: MMU off; the start code has looked at the device tree and cleaned it; nobody uses a console.
    let machine = unsafe { platform::machine(tree) };
    marks::leave(Mark::Console);
    // SAFETY: as above.
    unsafe { console::open(machine.console) };
    if ![Config::ANY_PE, ids::affinity()].contains(&config().pe) {
        hand_over(&machine, tree);
    }
    if HCR_EL2.get() & 1 << 34 != 0 {
        // ID_AA64MMFR4_EL1.E2H0 says the same: E2H is RES1 here.
        let elr = HCR_EL2.get();
        last_words::speak(Epitaph { reason: Epitaph::E2H_FIXED, elr, ..Epitaph::default() });
    }
    marks::leave(Mark::Registers);
    // SAFETY: MMU off; the device tree, UEFI or the host says that the interrupt controller is there.
    let idle = unsafe {
        el2::set_up();
        Idle::new(machine.gic.as_ref())
    };
    marks::leave(Mark::SError);
    // What others left pending is taken, and ignored, now.
    asm::unmask_serror();
    asm::isb();

    let mailbox = config().mailbox;
    let free = free_ram(&machine, tree, mailbox);
    let ranges = console().range().into_iter();
    let ranges = ranges.chain((mailbox != 0).then(|| Mailbox::range(mailbox)));
    // SAFETY: once, MMU off; console and mailbox are what the machine and the configuration say.
    let Ok(map) = (unsafe { El2Map::enter(ranges) }) else {
        last_words::speak(Epitaph { reason: Epitaph::BAD_CONFIGURATION, ..Epitaph::default() })
    };

    let secondaries = Secondaries::new(&machine, &idle, map.fault().is_none());
    let mut regions = [Region::default(); MAX_REGIONS];
    regions.iter_mut().zip(&free).for_each(|(slot, region)| *slot = *region);
    let hello = Hello {
        version: link::VERSION,
        entry_el: entry_el as u32,
        image: Image::start(),
        entry_hcr_el2,
        entry_sctlr_el2,
        ids: ids::read(),
        pes: secondaries.most() as u64,
        surroundings: surroundings(&machine, &secondaries),
        free_count: free.len() as u64,
        free: regions,
        own_map: own_map(map.fault()),
    };
    in_flight::boot_is_over();
    marks::leave(Mark::Hello);
    serve::serve(map, idle, secondaries, &hello)
}

/// Has the PE that the host named start the image anew, in place of this one.
fn hand_over(machine: &Machine, tree: u64) -> ! {
    let pe = config().pe;
    // Where the executor owns EL3 there is no firmware.
    let psci = machine.psci.filter(|_| !monitor::is_there());
    let answer = psci.map(|psci| {
        // SAFETY: MMU off, and the firmware is what device tree and configuration say. The other PE begins
        // where this one did.
        unsafe {
            asm::give_up_claim();
            psci::hand_over(psci, pe, Image::start(), tree)
        }
    });
    last_words::speak(Epitaph {
        reason: Epitaph::PE_MISSING,
        esr: answer.unwrap_or_default() as u64,
        elr: answer.is_some().into(),
        far: pe,
    })
}

/// What became of the executor's own map, which led to `fault` if it failed.
fn own_map(fault: Option<MapFault>) -> OwnMap {
    match fault {
        None => OwnMap::ON,
        Some(MapFault { esr, elr, far }) => {
            let state = if esr == 0 { OwnMap::ELSEWHERE } else { OwnMap::EXCEPTION };
            OwnMap { state, esr, elr: Image::relative(elr), far: Image::relative(far) }
        }
    }
}

/// What people may want to know of the machine.
fn surroundings(machine: &Machine, secondaries: &Secondaries) -> Surroundings {
    let mut affinities = [0; MAX_PES];
    affinities
        .iter_mut()
        .zip(secondaries.affinities())
        .for_each(|(slot, affinity)| *slot = affinity);
    Surroundings {
        model: machine.model,
        firmware: machine.firmware,
        console: Text::new(console().name().as_bytes()),
        console_base: console().range().map_or(0, |range| range.pa),
        psci: secondaries.psci_version(),
        affinities,
    }
}

fn free_ram(machine: &Machine, tree: u64, mailbox: u64) -> ArrayVec<Region, MAX_REGIONS> {
    // SAFETY: MMU off; the start code has looked at the device tree and cleaned it.
    let tree_bytes = unsafe { platform::tree_bytes(tree) }.map_or(0, |bytes| bytes.len() as u64);
    let own = [
        Region { base: Image::start(), size: Image::end() - Image::start() },
        Region { base: tree, size: tree_bytes },
        Region { base: mailbox, size: Mailbox::range(mailbox).bytes },
    ];
    let mut used: ArrayVec<Region, 80> = machine.reserved.iter().copied().collect();
    used.extend(own.into_iter().filter(|region| region.base != 0));
    free::regions(&machine.memory, &used)
}
