//! The observer that writes a walk down.

use core::fmt::{self, Write};

use super::drawing::{Drawing, Esr, Layout, Par};
use crate::at::AtResult;
use crate::choices::{Answer, Choice};
use crate::descriptor::Format;
use crate::exception::Exception;
use crate::fault::{Fault, Stage};
use crate::level::Level;
use crate::observer::{Input, Leaf, Observer, Output, Read};
use crate::params::{Stage1Params, Stage2Params};
use crate::rule::Rule;
use crate::updates::Update;

/// Writes a walk as it goes, a line or a drawing a step. Stage 2's part is indented, and deeper where it
/// is the walk for a stage 1 descriptor.
///
/// If the writer fails, nothing more is written, and [`Explain::finish`] says so.
#[derive(Debug)]
pub struct Explain<W> {
    writer: W,
    failed: bool,
    stage1: Option<(Format, Layout)>,
    stage2: Option<(Format, Layout)>,
    /// The last descriptor read, whose drawing waits for what it turns out to be.
    pending: Option<Read>,
    on_descriptor: bool,
}

impl<W: Write> Explain<W> {
    /// Begins an explanation.
    pub const fn new(writer: W) -> Self {
        Self {
            writer,
            failed: false,
            stage1: None,
            stage2: None,
            pending: None,
            on_descriptor: false,
        }
    }

    /// The writer, once everything is written.
    ///
    /// # Errors
    /// The writer failed.
    pub fn finish(self) -> Result<W, fmt::Error> {
        if self.failed { Err(fmt::Error) } else { Ok(self.writer) }
    }

    /// Writes what an AT instruction answered.
    pub fn at_result(&mut self, result: &AtResult) {
        match result {
            AtResult::Par { par, .. } => self.line(0, format_args!("{}", Par(*par))),
            AtResult::Exception(abort) => self.exception(&abort.exception),
        }
    }

    /// Writes an exception, with its syndrome drawn.
    pub fn exception(&mut self, exception: &Exception) {
        self.line(0, format_args!("{exception}"));
        self.line(0, format_args!("{}", Esr(exception.esr)));
    }

    fn line(&mut self, indent: usize, text: fmt::Arguments<'_>) {
        if !self.failed {
            self.failed = writeln!(self.writer, "{:indent$}{text}", "").is_err();
        }
    }

    const fn indent(&self, stage: Stage) -> usize {
        match (stage, self.on_descriptor) {
            (Stage::One, _) => 2,
            (Stage::Two, false) => 4,
            (Stage::Two, true) => 6,
        }
    }

    const fn format(&self, stage: Stage) -> Option<(Format, Layout)> {
        match stage {
            Stage::One => self.stage1,
            Stage::Two => self.stage2,
        }
    }

    /// Draws the last descriptor read, as what it is.
    fn draw(&mut self, stage: Stage, draw: impl FnOnce(&Format, &Layout, Read) -> Drawing) {
        if let (Some(read), Some((format, layout))) = (self.pending.take(), self.format(stage)) {
            let indent = self.indent(stage) + 2;
            self.line(0, format_args!("{}", draw(&format, &layout, read).indented(indent)));
        }
    }
}

impl<W: Write> Observer for Explain<W> {
    fn translating(&mut self, input: Input) {
        self.on_descriptor = matches!(input, Input::Stage1Descriptor(_));
        match input {
            Input::Virtual(va) => self.line(0, format_args!("stage 1 translates VA {va}")),
            Input::Intermediate(ipa) => self.line(2, format_args!("stage 2 translates IPA {ipa}")),
            Input::Stage1Descriptor(ipa) => {
                self.line(4, format_args!("stage 2 translates IPA {ipa}, of a stage 1 descriptor"));
            }
        }
    }

    fn stage1_params(&mut self, params: &Stage1Params) {
        self.stage1 = Some((params.format, Layout::of_stage1(params)));
        let Stage1Params { regime, upper, ttbr, format, .. } = params;
        let n = u8::from(*upper);
        self.line(2, format_args!("regime {regime}, TTBR{n} = {ttbr:#x}: {format}"));
    }

    fn stage2_params(&mut self, params: &Stage2Params) {
        if self.stage2.replace((params.format, Layout::of_stage2(params))).is_some() {
            return;
        }
        let Stage2Params { vttbr, format, .. } = params;
        let (tables, indent) = (params.concatenated_tables(), self.indent(Stage::Two));
        self.line(
            indent,
            format_args!("VTTBR_EL2 = {vttbr:#x}: {format}, {tables} concatenated tables"),
        );
    }

    fn read(&mut self, read: Read) {
        let Read { stage, level, pa, descriptor } = read;
        self.pending = Some(read);
        let indent = self.indent(stage);
        self.line(indent, format_args!("{stage} level {level}: [{pa}] = {descriptor:#018x}"));
    }

    fn table(&mut self, stage: Stage, _level: Level, table: u64) {
        self.draw(stage, |format, layout, read| Drawing::table(layout, format, read.descriptor));
        self.line(self.indent(stage) + 2, format_args!("table at {table:#x}"));
    }

    fn leaf(&mut self, leaf: &Leaf) {
        let Leaf { stage, level, descriptor, output, contiguous, permissions, attributes } = *leaf;
        self.draw(stage, |format, layout, _| Drawing::leaf(layout, format, level, descriptor));
        let contiguous = if contiguous { ", contiguous" } else { "" };
        let kind = if level == Level::FINAL { "page" } else { "block" };
        self.line(
            self.indent(stage) + 2,
            format_args!("{kind}: output {output:#x}, {permissions}, {attributes}{contiguous}"),
        );
    }

    fn rule(&mut self, stage: Stage, rule: Rule) {
        match rule {
            Rule::DescriptorInvalid | Rule::BlockNotSupported => {
                self.draw(stage, |_, _, read| Drawing::invalid(read.descriptor));
            }
            // Checks of a leaf that come before it is decoded.
            Rule::ContiguousTooLarge
            | Rule::BlockNt
            | Rule::OutputOutOfRange
            | Rule::AccessFlag => {
                self.draw(stage, |format, layout, read| {
                    Drawing::leaf(layout, format, read.level, read.descriptor)
                });
            }
            _ => {}
        }
        self.line(self.indent(stage) + 2, format_args!("{rule}"));
    }

    fn asked(&mut self, choice: Choice, answer: Answer) {
        self.line(4, format_args!("choice {choice}: {}", choice.answer_name(answer)));
    }

    fn update(&mut self, stage: Stage, update: &Update) {
        self.line(self.indent(stage) + 2, format_args!("update {update}"));
    }

    fn output(&mut self, output: Output) {
        let Output { stage, address, attributes } = output;
        self.line(self.indent(stage), format_args!("{stage} output: {address:#x}, {attributes}"));
    }

    fn fault(&mut self, fault: &Fault) {
        self.line(0, format_args!("{fault}"));
    }
}
