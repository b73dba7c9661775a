// The front of the image: a Linux arm64 Image header and a PE32+ header in one, so that the same bytes are an
// Image, a flat image that is entered at its first byte, and a UEFI application.
//
//   0x00  Image header ("Booting AArch64 Linux"); its first word is an instruction and "MZ"
//   0x40  PE header, file header, optional header, sections ("PE Format", Microsoft)
//
// The file is laid out as memory is. UEFI is told of two sections: code, and all the rest, which is relocated
// before the executor maps its constants read-only. There is nothing that UEFI's loader should relocate.

    .section .head, "ax"
    .global _start
_start:
    ccmp    x18, #0, #0xd, pl       // code0: "MZ"; changes flags, and nobody looks at them
    b       entry                   // code1
    .quad   0                       // text_offset
    .quad   image_size              // image_size
    .quad   0xa                     // flags: little-endian, 4K pages, anywhere in memory
    .quad   0
    .quad   0
    .quad   0
    .ascii  "ARM\x64"               // magic
    .long   pe_header - _start

pe_header:
    .ascii  "PE\0\0"
    .short  0xaa64                  // Machine: AArch64
    .short  2                       // NumberOfSections
    .long   0                       // TimeDateStamp
    .long   0                       // PointerToSymbolTable
    .long   0                       // NumberOfSymbols
    .short  pe_sections - pe_optional
    .short  0x206                   // Characteristics: executable, no line numbers, no debug information
pe_optional:
    .short  0x20b                   // PE32+
    .byte   0, 0                    // linker's version
    .long   pe_code_bytes           // SizeOfCode
    .long   pe_data_file_bytes      // SizeOfInitializedData
    .long   0                       // SizeOfUninitializedData: in the section's size in memory
    .long   pe_entry                // AddressOfEntryPoint
    .long   pe_code                 // BaseOfCode
    .quad   0                       // ImageBase
    .long   0x1000                  // SectionAlignment
    .long   0x200                   // FileAlignment
    .short  0, 0                    // versions of the operating system
    .short  0, 0                    // .. of the image
    .short  0, 0                    // .. of the subsystem
    .long   0                       // Win32VersionValue
    .long   image_size              // SizeOfImage
    .long   pe_code                 // SizeOfHeaders
    .long   0                       // CheckSum
    .short  10                      // Subsystem: EFI application
    .short  0x100                   // DllCharacteristics: no data is executed, no code written
    .quad   0, 0, 0, 0              // stack and heap: UEFI has its own
    .long   0                       // LoaderFlags
    .long   6                       // NumberOfRvaAndSizes
    .quad   0, 0, 0, 0, 0, 0        // no exports, imports, resources, exceptions, certificates, relocations
pe_sections:
    .ascii  ".text\0\0\0"
    .long   pe_code_bytes           // VirtualSize
    .long   pe_code                 // VirtualAddress
    .long   pe_code_bytes           // SizeOfRawData
    .long   pe_code                 // PointerToRawData
    .long   0, 0                    // no relocations, no line numbers
    .short  0, 0
    .long   0x60000020              // code, executed, read
    .ascii  ".data\0\0\0"
    .long   pe_data_bytes
    .long   pe_data
    .long   pe_data_file_bytes
    .long   pe_data
    .long   0, 0
    .short  0, 0
    .long   0xc0000040              // data, read, written
