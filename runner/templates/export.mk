# make              builds case.elf, with GNU binutils
# make LLVM=1       the same with clang and ld.lld; LLVM=-19 takes clang-19 and ld.lld-19
# make run          builds and runs it, on QEMU. PASS ends well; of FAIL make tells Error 1, and of BROKEN Error 2:
#                   the test itself could not be run. A machine that dies of the question is a FAIL.
#
# CROSS_COMPILE=aarch64-none-elf-   other binutils
# QEMU=/path/to/qemu-system-aarch64, MACHINE=, CPU=, ARGUMENTS=   another machine

CROSS_COMPILE ?= aarch64-linux-gnu-
LLVM ?=
QEMU ?= qemu-system-aarch64
{% if board.is_qemu() %}
# {{ board.name }}
MACHINE ?= {{ board.machine() }}
CPU ?= {{ board.cpu }}
ARGUMENTS ?= {{ board.arguments }}
{% endif %}
# How long it may take, in seconds.
LIMIT ?= 60

ifeq ($(LLVM),)
ASSEMBLE ?= $(CROSS_COMPILE)as
LINK ?= $(CROSS_COMPILE)ld
else
ASSEMBLE ?= clang$(filter -%,$(LLVM)) --target=aarch64-none-elf -c -x assembler
LINK ?= ld.lld$(filter -%,$(LLVM))
endif

case.elf: case.o
	$(LINK) -Ttext={{ board.load() }} -e _start -o $@ $<

case.o: case.S
	$(ASSEMBLE) -o $@ $<

.PHONY: run clean
run: case.elf
{% if board.is_qemu() %}	@timeout $(LIMIT) $(QEMU) -M $(MACHINE) -cpu $(CPU) $(ARGUMENTS) </dev/null >case.log 2>&1; status=$$?; \
	cat case.log; \
	if grep -q '^PASS' case.log; then exit 0; fi; \
	if grep -q '^FAIL' case.log; then exit 1; fi; \
	if grep -q '^BROKEN' case.log; then exit 2; fi; \
	if [ $$status -eq 124 ] && grep -q '^asked' case.log; then echo "FAIL: there is no answer after $(LIMIT) s"; exit 1; fi; \
	if [ $$status -eq 124 ]; then echo "BROKEN: there is no verdict after $(LIMIT) s"; exit 2; fi; \
	if grep -q '^asked' case.log; then echo "FAIL: the machine died of the question, with status $$status"; exit 1; fi; \
	echo "BROKEN: the machine ended before the question, with status $$status"; exit 2
{% else %}	@echo "{{ board.name }} is no machine of QEMU: load case.elf there by your own means"; exit 2
{% endif %}
clean:
	rm -f case.o case.elf case.log
