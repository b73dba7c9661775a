//! From the start code to the first hello.
//!
//! ```text
//!  start.S --> boot: registers, device tree, console, timer      MMU off
//!                    Home::enter                                 MMU on, device tree out of sight
//!                    Hello --> serve
//! ```

use aarch64_cpu::registers::*;
use arrayvec::ArrayVec;
use executor::device_tree::DeviceTree;
use executor::free;
use executor::machine::{self, ConsoleKind, Machine};
use link::hello::{Epitaph, Hello, MAX_PES, MAX_REGIONS, Region};
use link::surroundings::{Surroundings, Text};

use crate::payload::asm::{self, Image};
use crate::payload::console::Console;
use crate::payload::crew::Crew;
use crate::payload::global::Global;
use crate::payload::hand::{self, Phase};
use crate::payload::home::Home;
use crate::payload::idle::Idle;
use crate::payload::ids;
use crate::payload::image::config;
use crate::payload::last_words;
use crate::payload::park;
use crate::payload::serve;
use crate::payload::transport::mailbox::Mailbox;

static CONSOLE: Global<Console> = Global::new(Console::None);

/// The console.
pub fn console() -> &'static Console {
    // SAFETY: replaced only while the executor starts, before anybody keeps a reference.
    unsafe { &*CONSOLE.pointer() }
}

/// Reads the device tree at `tree`; 0 means that there is none.
pub fn machine(tree: u64) -> Machine {
    let Some(bytes) = tree_bytes(tree) else { return Machine::default() };
    DeviceTree::from_bytes(bytes).map_or_else(Machine::default, |tree| Machine::new(&tree))
}

fn tree_bytes(tree: u64) -> Option<&'static [u8]> {
    if tree == 0 {
        return None;
    }
    // SAFETY: the start code found the magic there.
    let header = unsafe { &*(tree as *const [u8; 8]) };
    let size = DeviceTree::size(header)?;
    // SAFETY: the loader put a device tree of this size there, and the start code cleaned it.
    Some(unsafe { core::slice::from_raw_parts(tree as *const u8, size) })
}

/// Takes the console into use that the device tree or else the configuration names.
pub fn open_console(machine: &Machine) {
    let configured = match config().console {
        0 => None,
        base => Some(machine::Console { base, kind: ConsoleKind::Pl011 }),
    };
    // SAFETY: as `console` says.
    unsafe { *CONSOLE.pointer() = Console::new(machine.console.or(configured)) };
}

/// Entered at EL1: that is the end of it.
#[unsafe(no_mangle)]
extern "C" fn boot_el1(tree: u64) -> ! {
    open_console(&machine(tree));
    last_words::speak(Epitaph { reason: Epitaph::NO_EL2, ..Epitaph::default() })
}

/// At EL2 on the main stack, MMU off.
#[unsafe(no_mangle)]
extern "C" fn boot(tree: u64, entry_el: u64, entry_hcr_el2: u64, entry_sctlr_el2: u64) -> ! {
    let machine = machine(tree);
    open_console(&machine);
    if HCR_EL2.get() & 1 << 34 != 0 {
        // ID_AA64MMFR4_EL1.E2H0 says the same: E2H is RES1 here.
        let elr = HCR_EL2.get();
        last_words::speak(Epitaph { reason: Epitaph::E2H_FIXED, elr, ..Epitaph::default() });
    }
    park::set_up();
    let idle = Idle::new(machine.gic.as_ref());
    let crew = Crew::new(&machine, &idle);
    // What others left pending is taken, and ignored, now.
    asm::unmask_serror();
    asm::isb();

    let mailbox = config().mailbox;
    let free = free_ram(&machine, tree, mailbox);
    let ranges = console().range().into_iter();
    let ranges = ranges.chain((mailbox != 0).then(|| Mailbox::range(mailbox)));
    // SAFETY: once, MMU off; console and mailbox are what device tree and configuration say.
    let Ok(home) = (unsafe { Home::enter(ranges) }) else {
        last_words::speak(Epitaph { reason: Epitaph::BAD_CONFIGURATION, ..Epitaph::default() })
    };

    let mut regions = [Region::default(); MAX_REGIONS];
    regions.iter_mut().zip(&free).for_each(|(slot, region)| *slot = *region);
    let hello = Hello {
        version: link::VERSION,
        entry_el: entry_el as u32,
        image: Image::start(),
        entry_hcr_el2,
        entry_sctlr_el2,
        ids: ids::read(),
        pes: crew.most() as u64,
        surroundings: surroundings(&machine, &crew),
        free_count: free.len() as u64,
        free: regions,
    };
    hand::enter(Phase::Idle);
    serve::serve(home, idle, crew, &hello)
}

/// What people may want to know of the machine.
fn surroundings(machine: &Machine, crew: &Crew) -> Surroundings {
    let mut affinities = [0; MAX_PES];
    affinities.iter_mut().zip(crew.affinities()).for_each(|(slot, affinity)| *slot = affinity);
    Surroundings {
        model: machine.model,
        firmware: machine.firmware,
        console: Text::new(console().name().as_bytes()),
        console_base: console().range().map_or(0, |range| range.pa),
        psci: crew.psci_version(),
        affinities,
    }
}

fn free_ram(machine: &Machine, tree: u64, mailbox: u64) -> ArrayVec<Region, MAX_REGIONS> {
    let tree_bytes = tree_bytes(tree).map_or(0, |bytes| bytes.len() as u64);
    let own = [
        Region { base: Image::start(), size: Image::end() - Image::start() },
        Region { base: tree, size: tree_bytes },
        Region { base: mailbox, size: Mailbox::range(mailbox).bytes },
    ];
    let mut used: ArrayVec<Region, 80> = machine.reserved.iter().copied().collect();
    used.extend(own.into_iter().filter(|region| region.base != 0));
    free::regions(&machine.memory, &used)
}
