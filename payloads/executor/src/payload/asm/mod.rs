//! Assembly of the executor, and Rust's names for it.
//!
//! ```text
//!  UEFI --> efi.S: efi_entry --> efi_main    tables read, UEFI left --+
//!  loader --> head.S: _start -----------------------------------------+
//!      v
//!      +----> start.S: entry            clean the image, MMU off, one PE on, relocate, zero .bss
//!               EL1 --> boot_el1        says that it can't go on
//!               EL3 --> boot_el3 --eret--+
//!               EL2 -------------------> at_el2: E2H off, vectors, stacks --> boot
//!                                           boot --> try_map (first_map.S): the executor's own map, or none
//!                                           Configure --> switch_map (el2_map.S): the map with the arenas
//!                                           boot --> serve --> run --> ask (ask.S): the probes
//!  exception --> vectors.S --> take_exception --> back, or ask_excepted, or recover
//!
//!  run --> world_switch (world_switch.S) --> the case's set-up of EL2 --+-- ask_block (probe_block.S): the probes
//!  run --> monitor (monitor.S) ------------> EL3 -----------------------+
//!
//!  run --> guests (guest.S) --eret--> EL1, EL0 --> guest_exits --> the next guest, or back
//!
//!  PSCI --> secondary_entry (secondary.S): another PE --> secondary_boot, switch_map --> secondary_serve
//! ```

use core::arch::{asm, global_asm};
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, Ordering};

use aarch64_cpu::asm::barrier;
use case::guest::{self, EXCLUSIVE_TRIES, NOT_STORED, PIECE_BYTES, VECTORS};
use case::probe::{Operation, Probe};
use case::scratch::STORED;
use executor::abi::{
    ContextBlock, DONE, Entry, Frame, HCR_EL2_EXECUTOR, MAX_TICKS, MDCR_EL2_GUEST, MapFault,
    MapRegisters, PerCpuHead, ProbeBlock, RunList, SCTLR_EL1_OFF, SCTLR_EL23_OFF, Start, Witness,
};
use link::config::Config;
use link::mailbox::Control;
use link::mark::Mark;
use link::observations::{Exception, NO_ANSWER};

global_asm!(include_str!("head.S"));
global_asm!(
    include_str!("start.S"),
    SCTLR_EL23_OFF_LOW = const SCTLR_EL23_OFF & 0xffff,
    SCTLR_EL23_OFF_HIGH = const SCTLR_EL23_OFF >> 16,
    SCTLR_EL1_OFF_LOW = const SCTLR_EL1_OFF & 0xffff,
    SCTLR_EL1_OFF_HIGH = const SCTLR_EL1_OFF >> 16,
    HCR_EL2_EXECUTOR_LOW = const HCR_EL2_EXECUTOR & 0xffff,
    HCR_EL2_EXECUTOR_HIGH = const HCR_EL2_EXECUTOR >> 16,
    CONFIG_MAILBOX = const offset_of!(Config, mailbox),
    CONFIG_MAILBOX_FLAGS = const offset_of!(Config, mailbox_flags),
    BEHIND_CACHES = const Config::BEHIND_CACHES.trailing_zeros(),
    MARK = const offset_of!(Control, mark),
    MARK_ENTRY = const Mark::Entry as u64,
    MARK_TREE = const Mark::Tree as u64,
    MARK_IMAGE = const Mark::Image as u64,
    MARK_MONITOR = const Mark::Monitor as u64,
    MARK_VECTORS = const Mark::Vectors as u64,
);
global_asm!(include_str!("efi.S"));
global_asm!(include_str!("vectors.S"), FRAME_BYTES = const Frame::STACK_BYTES);
global_asm!(include_str!("el2_map.S"));
global_asm!(include_str!("first_map.S"));
global_asm!(include_str!("doorbell.S"));
global_asm!(
    include_str!("ask.S"),
    AT_S1E1RP = const Operation::AtS1e1rp as u8,
    NO_ANSWER_TOP = const NO_ANSWER >> 48,
);
// One text: the macros of the first part are for the others.
global_asm!(
    concat!(
        include_str!("probe_block.S"),
        include_str!("world_switch.S"),
        include_str!("monitor.S")
    ),
    COUNT = const offset_of!(ProbeBlock, count),
    FIRST = const offset_of!(ProbeBlock, first),
    ROUNDS = const offset_of!(ProbeBlock, rounds),
    ASKED = const offset_of!(ProbeBlock, asked),
    EXCEPTION_BYTES = const offset_of!(ProbeBlock, exception_bytes),
    PROBES = const offset_of!(ProbeBlock, probes),
    ANSWERS = const offset_of!(ProbeBlock, answers),
    EXCEPTIONS = const offset_of!(ProbeBlock, exceptions),
    TRAMPOLINE = const offset_of!(ProbeBlock, trace.trampoline),
    RUNTIME = const offset_of!(ProbeBlock, trace.runtime),
    EXIT = const offset_of!(ProbeBlock, trace.exit),
    ARRIVAL = const offset_of!(ProbeBlock, trace.arrival),
    STORED_TOP = const STORED >> 48,
    NO_ANSWER_TOP = const NO_ANSWER >> 48,
    OF_PROBE = const Exception::PROBE,
    OF_EXECUTOR = const Exception::EXECUTOR,
    SCTLR_OFF_LOW = const SCTLR_EL23_OFF & 0xffff,
    SCTLR_OFF_HIGH = const SCTLR_EL23_OFF >> 16,
);
global_asm!(
    include_str!("guest.S"),
    DONE = const DONE,
    PIECE_BYTES = const PIECE_BYTES,
    VECTORS = const VECTORS,
    EXCLUSIVE_TRIES = const EXCLUSIVE_TRIES,
    NOT_STORED_TOP = const NOT_STORED >> 48,
    LOAD = const piece(Operation::Load),
    STORE = const piece(Operation::Store),
    LOAD_EXCLUSIVE = const piece(Operation::LoadExclusive),
    STORE_EXCLUSIVE = const piece(Operation::StoreExclusive),
    SWAP = const piece(Operation::Swap),
    ADD = const piece(Operation::Add),
    COMPARE_AND_SWAP = const piece(Operation::CompareAndSwap),
    LOAD_ACQUIRE = const piece(Operation::LoadAcquire),
    STORE_RELEASE = const piece(Operation::StoreRelease),
    LOAD_UNPRIVILEGED = const piece(Operation::LoadUnprivileged),
    STORE_UNPRIVILEGED = const piece(Operation::StoreUnprivileged),
    FETCH = const piece(Operation::Fetch),
    LOAD_PAIR = const piece(Operation::LoadPair),
    STORE_PAIR = const piece(Operation::StorePair),
    DC_CVAC = const piece(Operation::DcCvac),
    DC_CVAU = const piece(Operation::DcCvau),
    DC_CIVAC = const piece(Operation::DcCivac),
    DC_IVAC = const piece(Operation::DcIvac),
    DC_ZVA = const piece(Operation::DcZva),
    IC_IVAU = const piece(Operation::IcIvau),
    AT_S1E1R = const piece(Operation::AtS1e1r),
    AT_S1E1W = const piece(Operation::AtS1e1w),
    AT_S1E0R = const piece(Operation::AtS1e0r),
    AT_S1E0W = const piece(Operation::AtS1e0w),
    AT_S1E1RP = const piece(Operation::AtS1e1rp),
    AT_S1E1WP = const piece(Operation::AtS1e1wp),
    ROUND_TRIP = const piece(Operation::RoundTrip),
    EXECUTOR = const offset_of!(RunList, executor),
    GUEST = const offset_of!(RunList, guest),
    AT = const offset_of!(RunList, at),
    CURSOR = const offset_of!(RunList, cursor),
    ANSWERS = const offset_of!(RunList, answers),
    TAKEN = const offset_of!(RunList, taken),
    TICK = const offset_of!(RunList, tick),
    TICKS = const offset_of!(RunList, ticks),
    HANDLER = const offset_of!(RunList, handler),
    ENTRY_BYTES = const size_of::<Entry>(),
    MAX_TICKS = const MAX_TICKS,
    MDCR_GUEST = const MDCR_EL2_GUEST,
    NO_ANSWER_TOP = const NO_ANSWER >> 48,
    OF_PROBE = const Exception::PROBE,
    RUNAWAY = const Exception::RUNAWAY,
    FRAME_BYTES = const Frame::STACK_BYTES,
);
global_asm!(include_str!("tlbi.S"));
global_asm!(
    include_str!("secondary.S"),
    STACK = const offset_of!(PerCpuHead, start) + offset_of!(Start, stack),
    MAP = const offset_of!(PerCpuHead, start) + offset_of!(Start, map),
    LOST = const offset_of!(PerCpuHead, lost),
    RUN_LIST = const offset_of!(PerCpuHead, run_list),
    TAKEN = const offset_of!(RunList, taken),
    OF_PROBE = const Exception::PROBE,
    SCTLR_OFF_LOW = const SCTLR_EL23_OFF & 0xffff,
    SCTLR_OFF_HIGH = const SCTLR_EL23_OFF >> 16,
    HCR_EL2_EXECUTOR_LOW = const HCR_EL2_EXECUTOR & 0xffff,
    HCR_EL2_EXECUTOR_HIGH = const HCR_EL2_EXECUTOR >> 16,
);
#[cfg(feature = "self-test")]
global_asm!(include_str!("fault_injection.S"));

/// The offset of the piece, or the first of the pieces, of `operation`.
const fn piece(operation: Operation) -> u64 {
    guest::piece(operation, 1).expect("a guest does it")
}

unsafe extern "C" {
    /// Switches to another stage 1 map of EL2. See el2_map.S.
    ///
    /// # Safety
    /// The map must map all of the image to itself, and whatever is used after this.
    pub fn switch_map(ttbr0_el2: u64, tcr_el2: u64, mair_el2: u64, sctlr_el2: u64);
    /// Turns the MMU on with a first map, if that leads where it should. See first_map.S.
    ///
    /// # Safety
    /// The MMU is off. The map must be meant to map all of the image to itself; witnesses and fault are in it, and
    /// nobody else writes what the witnesses are about.
    pub fn try_map(
        map: *const MapRegisters,
        first: *const Witness,
        end: *const Witness,
        fault: *mut MapFault,
    ) -> u64;
    /// Invalidates lines without writing them back. See el2_map.S.
    ///
    /// # Safety
    /// No line of the range may be dirty.
    pub fn invalidate_lines(from: u64, to: u64);
    /// Calls `function` and comes back with 1 when it ends in `recover`. See vectors.S.
    ///
    /// # Safety
    /// Calls must not nest. After a 1, what the function was changing may be half changed.
    pub fn guarded(function: extern "C" fn(*mut u8), argument: *mut u8) -> u64;
    /// Asks the probes from `probe` to `end`. See ask.S.
    ///
    /// # Safety
    /// All pointers must be good for the number of probes, and the case's registers loaded.
    pub fn ask(
        probe: *const Probe,
        end: *const Probe,
        answer: *mut u64,
        cursor: *const u64,
        here: u64,
    ) -> *const Probe;
    /// Switches to a set-up of EL2, asks there, and switches back. See world_switch.S.
    ///
    /// # Safety
    /// The set-up must map code and data of the scratch arenas that the context block names, as
    /// [`case::world_switch::SwitchPlaces`] says; and the probe block must be in memory, not in caches alone.
    pub fn world_switch(context: *const ContextBlock);
    /// Has EL3 ask about a set-up of EL2. See monitor.S.
    ///
    /// # Safety
    /// EL3 must be the monitor's; context block and probe block must be in memory, not in caches alone.
    pub fn monitor(context: *const ContextBlock);
    /// Enters guests, and comes back with 1 behind one that ended as none should. See guest.S.
    ///
    /// # Safety
    /// All addresses in the run list must be good, and the case's registers loaded. That its guests' code is mapped is
    /// not needed.
    pub fn guests(run_list: *mut RunList) -> u64;
    /// TLB maintenance. See tlbi.S.
    ///
    /// # Safety
    /// The PE must have this form. A DSB completes it.
    pub fn tlbi(operand: u64, form: u64);
    /// Pushes with the stack pointer at `sp`.
    ///
    /// # Safety
    /// Meant to fault.
    #[cfg(feature = "self-test")]
    pub fn push_at(sp: u64);
    /// Begins, with the device tree at `tree`, or none where that is 0. See start.S.
    ///
    /// # Safety
    /// The machine must be the executor's: nothing that it does not own may be in use.
    pub fn entry(tree: u64) -> !;
    /// Where a debugger waits. See doorbell.S.
    pub safe fn doorbell();
    /// Stops this PE for ever. See start.S.
    pub safe fn halt() -> !;

    static image_start: u8;
    static image_constants: u8;
    static image_data: u8;
    static image_end: u8;
    static main_stack: u8;
    static main_stack_top: u8;
    static exception_stack: u8;
    static exception_stack_top: u8;
    static last_stack: u8;
    static last_stack_top: u8;
    static ask_ats: u8;
    static ask_ats_end: u8;
    static ask_excepted: u8;
    static recover: u8;
    static world_code: u8;
    static world_code_end: u8;
    static world_runtime: u8;
    static world_exit: u8;
    static world_vectors: u8;
    static monitor_vectors: u8;
    static guest_code: u8;
    static guest_code_end: u8;
    static exception: u8;
    static secondary_entry: u8;
    static secondary_lost: u8;
    static mut claim: u64;
}

/// The address of a label.
macro_rules! label {
    ($name:ident) => {
        (&raw const $name).addr() as u64
    };
}

/// The parts of the image, as addresses.
pub struct Image;

impl Image {
    /// First byte.
    pub fn start() -> u64 {
        label!(image_start)
    }
    /// Behind the last byte.
    pub fn end() -> u64 {
        label!(image_end)
    }
    pub fn code() -> (u64, u64) {
        (label!(image_start), label!(image_constants))
    }
    pub fn constants() -> (u64, u64) {
        (label!(image_constants), label!(image_data))
    }
    /// Everything that is written, in pieces with guards between them.
    pub fn data() -> [(u64, u64); 4] {
        // As in image.ld.
        const GUARD: u64 = 64 << 10;
        [
            // The data ends where the guard below the main stack begins.
            (label!(image_data), label!(main_stack) - GUARD),
            (label!(main_stack), label!(main_stack_top)),
            (label!(exception_stack), label!(exception_stack_top)),
            (label!(last_stack), label!(last_stack_top)),
        ]
    }

    /// `address` relative to the image, where it lies in it.
    pub fn relative(address: u64) -> u64 {
        if (Self::start()..Self::end()).contains(&address) {
            address - Self::start()
        } else {
            address
        }
    }
}

/// Addresses at which probes are asked, and at which a handler goes on.
pub struct Resume;

impl Resume {
    /// Whether the instruction at `address` is a probe's.
    pub fn is_probe(address: u64) -> bool {
        (label!(ask_ats)..label!(ask_ats_end)).contains(&address)
    }
    /// Where a probe that took an exception goes on.
    pub fn excepted() -> u64 {
        label!(ask_excepted)
    }
    /// Where a [`guarded`] call that took an exception goes on.
    pub fn recover() -> u64 {
        label!(recover)
    }
}

/// The code that runs in a set-up of EL2: a copy lies in each scratch arena, in which its parts have these offsets.
pub struct WorldCode;

impl WorldCode {
    /// All of it, as linked.
    pub fn bytes() -> &'static [u8] {
        let bytes = label!(world_code_end) - label!(world_code);
        // SAFETY: a part of the image's code, which is mapped and never written.
        unsafe { core::slice::from_raw_parts(&raw const world_code, bytes as usize) }
    }
    /// The runtime's first instruction.
    pub fn runtime() -> u64 {
        label!(world_runtime) - label!(world_code)
    }
    pub fn vectors() -> u64 {
        label!(world_vectors) - label!(world_code)
    }
    /// The first instruction of the exit.
    pub fn exit() -> u64 {
        label!(world_exit) - label!(world_code)
    }
}

/// Lets the image be started once more: by another PE, in place of this one. See start.S.
///
/// # Safety
/// The MMU is off, and this PE does nothing more when the other begins.
pub unsafe fn give_up_claim() {
    // SAFETY: a word that only the start code reads.
    unsafe { (&raw mut claim).write_volatile(0) };
    dsb_sy();
}

/// Where a secondary PE begins.
pub fn secondary_entry_address() -> u64 {
    label!(secondary_entry)
}

/// Where exceptions of the primary PE go, behind its vectors.
pub fn exception_address() -> u64 {
    label!(exception)
}

/// Where exceptions of a secondary PE go that it does not survive.
pub fn secondary_lost_address() -> u64 {
    label!(secondary_lost)
}

/// The guest's code, which lies in each scratch arena.
pub fn guest_code_bytes() -> &'static [u8] {
    let bytes = label!(guest_code_end) - label!(guest_code);
    // SAFETY: a part of the image's code, which is mapped and never written.
    unsafe { core::slice::from_raw_parts(&raw const guest_code, bytes as usize) }
}

/// The vectors of EL3.
pub fn monitor_vectors_address() -> u64 {
    label!(monitor_vectors)
}

/// Reads a system register by name or `S3_op1_Cn_Cm_op2`, where aarch64-cpu has none of that name.
macro_rules! mrs {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading a register that exists at this EL changes nothing.
        unsafe {
            core::arch::asm!(
                concat!("mrs {}, ", $name),
                out(reg) value,
                options(nomem, nostack, preserves_flags)
            );
        }
        value
    }};
}
pub(crate) use mrs;

/// Writes a system register by name or `S3_op1_Cn_Cm_op2`, where aarch64-cpu has none of that name. It stays where
/// it stands among memory accesses.
///
/// # Safety
/// The register exists at this EL, and the value does not change how the executor's own memory is seen.
macro_rules! msr {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        core::arch::asm!(
            concat!("msr ", $name, ", {}"),
            in(reg) value,
            options(nostack, preserves_flags)
        );
    }};
}
pub(crate) use msr;

/// An instruction without register operands. To the compiler it is an access to any memory, so that it stays where
/// it stands.
///
/// # Safety
/// It changes neither memory nor registers of Rust.
macro_rules! instruction {
    ($text:literal) => {
        asm!($text, options(nostack, preserves_flags))
    };
}

/// Waits for an interrupt, masked or not.
pub fn wait_for_interrupt() {
    // SAFETY: a hint.
    unsafe { instruction!("wfi") }
}

/// Tells the PE that this is a loop which waits.
pub fn yield_hint() {
    // SAFETY: a hint.
    unsafe { instruction!("yield") }
}

/// Lets SErrors through.
pub fn unmask_serror() {
    // SAFETY: vectors and their stacks are there from the first instruction of Rust on.
    unsafe { instruction!("msr daifclr, #4") }
}

/// Clears `PSTATE.PAN`.
///
/// # Safety
/// The PE has it.
pub unsafe fn clear_pan() {
    // MSR PAN, #0: the assembler knows no such field of the base architecture.
    // SAFETY: the caller's promise; it allows accesses, and forbids none.
    unsafe { instruction!(".inst 0xd500409f") }
}

/// Invalidates all that the TLB of this PE holds of the EL1&0 regime, both stages, all VMIDs.
pub fn tlbi_alle1() {
    // SAFETY: it is not the executor's own regime.
    unsafe { instruction!("tlbi alle1") }
}

/// All stores so far are visible to the walkers and to all PEs.
pub fn dsb_ish() {
    barrier::dsb(barrier::ISH);
}

/// The same for the Outer Shareable domain.
pub fn dsb_osh() {
    barrier::dsb(barrier::OSH);
}

/// Maintenance of this PE's TLBs has finished.
pub fn dsb_nsh() {
    barrier::dsb(barrier::NSH);
}

/// Stores and maintenance so far have reached everybody, devices and memory included.
pub fn dsb_sy() {
    barrier::dsb(barrier::SY);
}

/// Register writes so far count for what follows.
pub fn isb() {
    barrier::isb(barrier::SY);
}

/// Invalidates all instruction caches of the Inner Shareable domain.
pub fn invalidate_instruction_caches() {
    // SAFETY: instructions are fetched again, from where data was cleaned to.
    unsafe { instruction!("ic ialluis") }
}

/// Whether this PE's accesses go past its caches: its MMU is off for good.
static IS_PAST_CACHES: AtomicBool = AtomicBool::new(false);

/// From now on the MMU stays off.
pub fn stay_past_caches() {
    IS_PAST_CACHES.store(true, Ordering::Relaxed);
}

/// Whether the MMU stays off.
#[inline]
pub fn is_past_caches() -> bool {
    IS_PAST_CACHES.load(Ordering::Relaxed)
}

/// Cleans the line of `va` to the point of coherency, so that a walk finds what was stored there. Where stores go
/// past the caches it is the caches' old line that is in its way: that is invalidated.
#[inline]
pub fn clean_line(va: u64) {
    if is_past_caches() {
        // Maintenance is not ordered behind stores to Device memory, as all memory is then.
        dsb_sy();
        return clean_and_invalidate_line(va);
    }
    // SAFETY: writes back what the caches hold; memory as Rust sees it stays the same.
    unsafe { asm!("dc cvac, {}", in(reg) va, options(nostack, preserves_flags)) }
}

/// Cleans the line of `va` to the point of coherency and invalidates it.
pub fn clean_and_invalidate_line(va: u64) {
    // SAFETY: as for cleaning; the next access fetches the line from memory.
    unsafe { asm!("dc civac, {}", in(reg) va, options(nostack, preserves_flags)) }
}

/// Zeroes the naturally aligned block of [`zero_block_bytes`] at `va`.
///
/// # Safety
/// The block is Normal memory that nothing in Rust refers to.
pub unsafe fn zero_block(va: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("dc zva, {}", in(reg) va, options(nostack, preserves_flags)) }
}

/// What [`zero_block`] zeroes at a time; `None` where the instruction is prohibited, or memory is Device to it.
pub fn zero_block_bytes() -> Option<u64> {
    let dczid = mrs!("dczid_el0");
    (dczid & 1 << 4 == 0 && !is_past_caches()).then(|| 4 << (dczid & 0xf))
}

/// Size in bytes of the smallest data cache line of the system.
pub fn line_bytes() -> u64 {
    4 << (mrs!("ctr_el0") >> 16 & 0xf)
}
