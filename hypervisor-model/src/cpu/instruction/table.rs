//! The instruction table: what each instruction asks of privilege, in the order in which the processor looks, and
//! what goes wrong without a fault when a guest kernel runs it outside ring 0.
//!
//! Sources for this file: Intel SDM vol. 2 (June 2016, 325383-059US), the page of each instruction; vol. 3 (same
//! edition), 5.9 "Privileged Instructions", 25.1 "Instructions That Cause VM Exits"; AMD64 APM vol. 2 (rev. 3.30),
//! 15.9 "Instruction Intercepts"; for the 17 sensitive instructions: Robin and Irvine, "Analysis of the Intel
//! Pentium's Ability to Support a Secure Virtual Machine Monitor", USENIX Security 2000, section 3 (their count is by
//! group; these are the 18 mnemonics usually listed).
//!
//! A row reads: name, how it is written, class, checks, what happens silently outside ring 0, nominal length in bytes
//! (that of the commonest encoding), citation.

use super::check::Check::{self, *};
use super::class::Class::{self, *};
use super::class::Silently;
use crate::cpu::control::{Cr4, Efer};
use serde::{Deserialize, Serialize};

/// A row of the table.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Row {
    /// The instruction.
    pub opcode: Opcode,
    /// How it is written; the kinds of operands are those of [`super::syntax`].
    pub syntax: &'static [&'static str],
    /// What privilege has to do with it.
    pub class: Class,
    /// What the processor looks at, in this order; [`Check::Intercept`] is the place of the exit.
    pub checks: &'static [Check],
    /// What goes wrong without a fault.
    pub silently: Option<Silently>,
    /// Bytes of the commonest encoding.
    pub length: u8,
    /// Where it is written down.
    pub citation: &'static str,
}

macro_rules! instructions {
    ($($(#[doc = $section:literal])* $name:ident = [$($syntax:literal),+], $class:expr, [$($check:expr),*], $silently:expr, $length:literal, $citation:literal;)*) => {
        /// An instruction, told apart by what it asks of privilege: `mov cr3, rax` and `mov rax, cr3` are two.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum Opcode {
            $(#[doc = concat!("`", $citation, "`.")] $name,)*
        }

        /// The rows, in the order of [`Opcode`].
        pub const TABLE: &[Row] = &[$(Row {
            opcode: Opcode::$name,
            syntax: &[$($syntax),+],
            class: $class,
            checks: &[$($check),*],
            silently: $silently,
            length: $length,
            citation: $citation,
        }),*];
    };
}

impl Opcode {
    /// The row of the table.
    #[must_use]
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

const fn shows(what: &'static str) -> Option<Silently> {
    Some(Silently::AboveRing0(what))
}

const fn drops(what: &'static str) -> Option<Silently> {
    Some(Silently::AboveIopl(what))
}

const UMIP: Check = Ring0IfCr4(Cr4::UMIP);

instructions! {
    // Sensitive registers (Robin and Irvine, section 3.1).
    Sgdt = ["sgdt m"], Sensitive, [UMIP, Intercept],
        shows("stores the GDTR of the processor, of which there is one: not the guest's"), 4, "SDM vol. 2, SGDT";
    Sidt = ["sidt m"], Sensitive, [UMIP, Intercept],
        shows("stores the IDTR of the processor, of which there is one: not the guest's"), 4, "SDM vol. 2, SIDT";
    Sldt = ["sldt rm"], Sensitive, [ProtectedOrUd, UMIP, Intercept],
        shows("stores the LDTR of the processor, of which there is one: not the guest's"), 3, "SDM vol. 2, SLDT";
    Smsw = ["smsw rm"], Sensitive, [UMIP, Intercept],
        shows("stores the low bits of the real CR0: PE, MP, TS, NE are not the guest's"), 4, "SDM vol. 2, SMSW";
    Pushf = ["pushf", "pushfq", "pushfd", "pushfw"], Sensitive, [Virtual8086Iopl, Intercept],
        shows("shows the real IF and IOPL, not those that the guest believes to have set"), 1, "SDM vol. 2, PUSHF/PUSHFD/PUSHFQ";
    Popf = ["popf", "popfq", "popfd", "popfw"], Sensitive, [Virtual8086Iopl, Intercept],
        drops("IF stays as it was when CPL > IOPL, IOPL whenever CPL > 0; nobody is told"), 1, "SDM vol. 2, POPF/POPFD/POPFQ";

    // Protection system (Robin and Irvine, section 3.2).
    Lar = ["lar r, rm"], Sensitive, [ProtectedOrUd],
        shows("answers by the real CPL: ZF = 0 for a segment that the guest believes to be its own"), 3, "SDM vol. 2, LAR";
    Lsl = ["lsl r, rm"], Sensitive, [ProtectedOrUd],
        shows("answers by the real CPL: ZF = 0 for a segment that the guest believes to be its own"), 3, "SDM vol. 2, LSL";
    Verr = ["verr rm"], Sensitive, [ProtectedOrUd],
        shows("answers by the real CPL: ZF = 0 for a segment that the guest believes to be its own"), 3, "SDM vol. 2, VERR/VERW";
    Verw = ["verw rm"], Sensitive, [ProtectedOrUd],
        shows("answers by the real CPL: ZF = 0 for a segment that the guest believes to be its own"), 3, "SDM vol. 2, VERR/VERW";
    PushSegment = ["push sreg"], Sensitive, [],
        shows("pushes the selector with the real RPL: CS shows in which ring the kernel really is"), 1, "SDM vol. 2, PUSH";
    PopSegment = ["pop sreg"], Sensitive, [],
        shows("is checked against the real CPL"), 1, "SDM vol. 2, POP";
    CallFar = ["call far", "callf m", "call far m"], Sensitive, [],
        shows("depends on the real CPL and DPL"), 7, "SDM vol. 2, CALL";
    JmpFar = ["jmp far", "jmpf m", "jmp far m"], Sensitive, [],
        shows("depends on the real CPL and DPL"), 7, "SDM vol. 2, JMP";
    Int = ["int i"], Sensitive, [Virtual8086Iopl, Intercept],
        shows("depends on the real CPL and on the DPL of the gate"), 2, "SDM vol. 2, INT n/INTO/INT 3";
    RetFar = ["retf", "retfq", "lret", "retf i"], Sensitive, [],
        shows("can only go to the same or an outer ring, and the real one is the guest kernel's already"), 1, "SDM vol. 2, RET";
    Str = ["str rm"], Sensitive, [ProtectedOrUd, UMIP, Intercept],
        shows("stores the selector of the real TR, not of the guest's"), 3, "SDM vol. 2, STR";
    MovFromSegment = ["mov rm, sreg"], Sensitive, [],
        shows("the selector has the real RPL: CS shows in which ring the kernel really is"), 2, "SDM vol. 2, MOV";
    MovToSegment = ["mov sreg, rm", "mov sreg, i"], Sensitive, [],
        shows("is checked against the real CPL: MOV SS wants RPL = CPL = DPL"), 2, "SDM vol. 2, MOV";

    // Privileged: #GP(0) outside ring 0 (SDM vol. 3, 5.9).
    Lgdt = ["lgdt m"], Privileged, [Ring0, Intercept], None, 4, "SDM vol. 2, LGDT/LIDT";
    Lidt = ["lidt m"], Privileged, [Ring0, Intercept], None, 4, "SDM vol. 2, LGDT/LIDT";
    Lldt = ["lldt rm"], Privileged, [ProtectedOrUd, Ring0, Intercept], None, 3, "SDM vol. 2, LLDT";
    Ltr = ["ltr rm"], Privileged, [ProtectedOrUd, Ring0, Intercept], None, 3, "SDM vol. 2, LTR";
    MovToCr = ["mov cr, r"], Privileged, [Ring0, Intercept], None, 3, "SDM vol. 2, MOV to/from Control Registers";
    MovFromCr = ["mov r, cr"], Privileged, [Ring0, Intercept], None, 3, "SDM vol. 2, MOV to/from Control Registers";
    Lmsw = ["lmsw rm"], Privileged, [Ring0, Intercept], None, 3, "SDM vol. 2, LMSW";
    Clts = ["clts"], Privileged, [Ring0, Intercept], None, 2, "SDM vol. 2, CLTS";
    // The exit comes even before the privilege check: SDM vol. 3, 25.1.3 "Instructions That Cause VM Exits
    // Conditionally", MOV DR.
    MovToDr = ["mov dr, r"], Privileged, [Intercept, Ring0], None, 3, "SDM vol. 2, MOV to/from Debug Registers";
    MovFromDr = ["mov r, dr"], Privileged, [Intercept, Ring0], None, 3, "SDM vol. 2, MOV to/from Debug Registers";
    Invd = ["invd"], Privileged, [Ring0, Intercept], None, 2, "SDM vol. 2, INVD";
    Wbinvd = ["wbinvd"], Privileged, [Ring0, Intercept], None, 2, "SDM vol. 2, WBINVD";
    Invlpg = ["invlpg m"], Privileged, [Ring0, Intercept], None, 3, "SDM vol. 2, INVLPG";
    Invpcid = ["invpcid r, m"], Privileged, [Ring0, Intercept], None, 5, "SDM vol. 2, INVPCID";
    Hlt = ["hlt"], Privileged, [Ring0, Intercept], None, 1, "SDM vol. 2, HLT";
    Rdmsr = ["rdmsr"], Privileged, [Ring0, Intercept], None, 2, "SDM vol. 2, RDMSR";
    Wrmsr = ["wrmsr"], Privileged, [Ring0, Intercept], None, 2, "SDM vol. 2, WRMSR";
    Xsetbv = ["xsetbv"], Privileged, [NeedsCr4(Cr4::OSXSAVE), Ring0, Intercept], None, 3, "SDM vol. 2, XSETBV";
    Xsaves = ["xsaves m"], Privileged, [NeedsCr4(Cr4::OSXSAVE), Ring0, Intercept], None, 4, "SDM vol. 2, XSAVES";
    Xrstors = ["xrstors m"], Privileged, [NeedsCr4(Cr4::OSXSAVE), Ring0, Intercept], None, 4, "SDM vol. 2, XRSTORS";
    Swapgs = ["swapgs"], Privileged, [LongOrUd, Ring0], None, 3, "SDM vol. 2, SWAPGS";
    Sysret = ["sysret", "sysretq", "sysretl"], Privileged, [SyscallMode, NeedsEfer(Efer::SCE), Ring0], None, 2, "SDM vol. 2, SYSRET";
    Sysexit = ["sysexit", "sysexitq"], Privileged, [SysenterMode, ProtectedOrGp, Ring0], None, 2, "SDM vol. 2, SYSEXIT";

    // Privileged, but #UD outside ring 0.
    Monitor = ["monitor"], Privileged, [Ring0OrUd, Intercept], None, 3, "SDM vol. 2, MONITOR";
    Mwait = ["mwait"], Privileged, [Ring0OrUd, Intercept], None, 3, "SDM vol. 2, MWAIT";
    Stac = ["stac"], Privileged, [Ring0OrUd], None, 3, "SDM vol. 2, STAC";
    Clac = ["clac"], Privileged, [Ring0OrUd], None, 3, "SDM vol. 2, CLAC";

    // Gated by IOPL.
    Cli = ["cli"], IoSensitive, [Iopl], None, 1, "SDM vol. 2, CLI";
    Sti = ["sti"], IoSensitive, [Iopl], None, 1, "SDM vol. 2, STI";
    In = ["in acc, i", "in acc, dx"], IoSensitive, [IoPermission, Intercept], None, 2, "SDM vol. 2, IN";
    Out = ["out i, acc", "out dx, acc"], IoSensitive, [IoPermission, Intercept], None, 2, "SDM vol. 2, OUT";
    Ins = ["insb", "insw", "insd"], IoSensitive, [IoPermission, Intercept], None, 2, "SDM vol. 2, INS/INSB/INSW/INSD";
    Outs = ["outsb", "outsw", "outsd"], IoSensitive, [IoPermission, Intercept], None, 2, "SDM vol. 2, OUTS/OUTSB/OUTSW/OUTSD";

    // Gated by a bit of CR4.
    Rdpmc = ["rdpmc"], Cr4Gated, [Ring0UnlessCr4(Cr4::PCE), Intercept], None, 2, "SDM vol. 2, RDPMC";
    Rdtsc = ["rdtsc"], Cr4Gated, [Ring0IfCr4(Cr4::TSD), Intercept], None, 2, "SDM vol. 2, RDTSC";
    Rdtscp = ["rdtscp"], Cr4Gated, [Ring0IfCr4(Cr4::TSD), Intercept], None, 3, "SDM vol. 2, RDTSCP";
    Rdfsbase = ["rdfsbase r"], Cr4Gated, [LongOrUd, NeedsCr4(Cr4::FSGSBASE)], None, 5, "SDM vol. 2, RDFSBASE/RDGSBASE";
    Rdgsbase = ["rdgsbase r"], Cr4Gated, [LongOrUd, NeedsCr4(Cr4::FSGSBASE)], None, 5, "SDM vol. 2, RDFSBASE/RDGSBASE";
    Wrfsbase = ["wrfsbase r"], Cr4Gated, [LongOrUd, NeedsCr4(Cr4::FSGSBASE)], None, 5, "SDM vol. 2, WRFSBASE/WRGSBASE";
    Wrgsbase = ["wrgsbase r"], Cr4Gated, [LongOrUd, NeedsCr4(Cr4::FSGSBASE)], None, 5, "SDM vol. 2, WRFSBASE/WRGSBASE";
    Xgetbv = ["xgetbv"], Cr4Gated, [NeedsCr4(Cr4::OSXSAVE)], None, 3, "SDM vol. 2, XGETBV";

    // Never refused for privilege; a question of policy.
    Cpuid = ["cpuid"], Innocuous, [Intercept], None, 2, "SDM vol. 2, CPUID";
    Rdrand = ["rdrand r"], Innocuous, [Intercept], None, 4, "SDM vol. 2, RDRAND";
    Rdseed = ["rdseed r"], Innocuous, [Intercept], None, 4, "SDM vol. 2, RDSEED";
    Pause = ["pause"], Innocuous, [Intercept], None, 2, "SDM vol. 2, PAUSE";
    Getsec = ["getsec"], Innocuous, [NeedsCr4(Cr4::SMXE), Intercept], None, 2, "SDM vol. 2, GETSEC";
    Rsm = ["rsm"], Innocuous, [SmmOrUd], None, 2, "SDM vol. 2, RSM";

    // Transitions.
    Syscall = ["syscall"], Transition, [SyscallMode, NeedsEfer(Efer::SCE)], None, 2, "SDM vol. 2, SYSCALL";
    Sysenter = ["sysenter"], Transition, [SysenterMode, ProtectedOrGp], None, 2, "SDM vol. 2, SYSENTER";
    Iret = ["iret", "iretq", "iretd"], Transition, [Virtual8086Iopl, Intercept],
        drops("IF stays as it was when CPL > IOPL, IOPL whenever CPL > 0; nobody is told"), 2, "SDM vol. 2, IRET/IRETD";
    Int3 = ["int3"], Transition, [], None, 1, "SDM vol. 2, INT n/INTO/INT 3";
    Into = ["into"], Transition, [NotLongOrUd], None, 1, "SDM vol. 2, INT n/INTO/INT 3";
    Ud2 = ["ud2"], Transition, [], None, 2, "SDM vol. 2, UD2";

    // VT-x. In non-root operation the exit comes before the privilege check (vol. 3, chapter 30, the pages).
    Vmxon = ["vmxon m"], Vmx, [VmxOr(VmxNeed::Enabled), Intercept, Ring0], None, 4, "SDM vol. 3, 30.3, VMXON";
    Vmxoff = ["vmxoff"], Vmx, [VmxOr(VmxNeed::On), Intercept, Ring0], None, 3, "SDM vol. 3, 30.3, VMXOFF";
    Vmclear = ["vmclear m"], Vmx, [VmxOr(VmxNeed::On), Intercept, Ring0], None, 4, "SDM vol. 3, 30.3, VMCLEAR";
    Vmptrld = ["vmptrld m"], Vmx, [VmxOr(VmxNeed::On), Intercept, Ring0], None, 3, "SDM vol. 3, 30.3, VMPTRLD";
    Vmptrst = ["vmptrst m"], Vmx, [VmxOr(VmxNeed::On), Intercept, Ring0], None, 3, "SDM vol. 3, 30.3, VMPTRST";
    Vmread = ["vmread rm, r"], Vmx, [VmxOr(VmxNeed::On), Intercept, Ring0], None, 3, "SDM vol. 3, 30.3, VMREAD";
    Vmwrite = ["vmwrite r, rm"], Vmx, [VmxOr(VmxNeed::On), Intercept, Ring0], None, 3, "SDM vol. 3, 30.3, VMWRITE";
    Vmlaunch = ["vmlaunch"], Vmx, [VmxOr(VmxNeed::On), Intercept, Ring0], None, 3, "SDM vol. 3, 30.3, VMLAUNCH/VMRESUME";
    Vmresume = ["vmresume"], Vmx, [VmxOr(VmxNeed::On), Intercept, Ring0], None, 3, "SDM vol. 3, 30.3, VMLAUNCH/VMRESUME";
    Invept = ["invept r, m"], Vmx, [VmxOr(VmxNeed::On), Intercept, Ring0], None, 5, "SDM vol. 3, 30.3, INVEPT";
    Invvpid = ["invvpid r, m"], Vmx, [VmxOr(VmxNeed::On), Intercept, Ring0], None, 5, "SDM vol. 3, 30.3, INVVPID";
    Vmfunc = ["vmfunc"], Vmx, [VmxOr(VmxNeed::NonRoot), Intercept], None, 3, "SDM vol. 3, 30.3, VMFUNC";
    // It takes part in #UD only; on a processor of AMD's it is KVM's trap to be patched.
    Vmcall = ["vmcall"], Vmx, [VmxOr(VmxNeed::Call), Intercept, Ring0], None, 3, "SDM vol. 3, 30.3, VMCALL";

    // AMD-V.
    Vmrun = ["vmrun"], Svm, [SvmOrUd, Ring0, Intercept], None, 3, "APM vol. 2, 15.5.1 VMRUN";
    Vmload = ["vmload"], Svm, [SvmOrUd, Ring0, Intercept], None, 3, "APM vol. 2, 15.5.2 VMSAVE and VMLOAD";
    Vmsave = ["vmsave"], Svm, [SvmOrUd, Ring0, Intercept], None, 3, "APM vol. 2, 15.5.2 VMSAVE and VMLOAD";
    Stgi = ["stgi"], Svm, [SvmOrUd, Ring0, Intercept], None, 3, "APM vol. 2, 15.17 Global Interrupt Flag";
    Clgi = ["clgi"], Svm, [SvmOrUd, Ring0, Intercept], None, 3, "APM vol. 2, 15.17 Global Interrupt Flag";
    Invlpga = ["invlpga"], Svm, [SvmOrUd, Ring0, Intercept], None, 3, "APM vol. 2, 15.16 TLB Control";
    Skinit = ["skinit"], Svm, [SvmOrUd, Ring0, Intercept], None, 3, "APM vol. 2, 15.27 Secure Startup with SKINIT";
    Vmmcall = ["vmmcall"], Svm, [Intercept, Never], None, 3, "APM vol. 2, 15.9, table 15-7";

    // What anybody may do.
    Nop = ["nop", "endbr64"], Innocuous, [], None, 1, "SDM vol. 2, NOP";
    Mov = ["mov r, rmi", "mov m, ri"], Innocuous, [], None, 3, "SDM vol. 2, MOV";
    Lea = ["lea r, m"], Innocuous, [], None, 4, "SDM vol. 2, LEA";
    Xchg = ["xchg r, rm", "xchg m, r"], Innocuous, [], None, 3, "SDM vol. 2, XCHG";
    Add = ["add rm, rmi"], Innocuous, [], None, 3, "SDM vol. 2, ADD";
    Sub = ["sub rm, rmi"], Innocuous, [], None, 3, "SDM vol. 2, SUB";
    And = ["and rm, rmi"], Innocuous, [], None, 3, "SDM vol. 2, AND";
    Or = ["or rm, rmi"], Innocuous, [], None, 3, "SDM vol. 2, OR";
    Xor = ["xor rm, rmi"], Innocuous, [], None, 3, "SDM vol. 2, XOR";
    Cmp = ["cmp rm, rmi"], Innocuous, [], None, 3, "SDM vol. 2, CMP";
    Test = ["test rm, ri"], Innocuous, [], None, 3, "SDM vol. 2, TEST";
    Inc = ["inc rm"], Innocuous, [], None, 3, "SDM vol. 2, INC";
    Dec = ["dec rm"], Innocuous, [], None, 3, "SDM vol. 2, DEC";
    Not = ["not rm"], Innocuous, [], None, 3, "SDM vol. 2, NOT";
    Neg = ["neg rm"], Innocuous, [], None, 3, "SDM vol. 2, NEG";
    Shl = ["shl rm, i"], Innocuous, [], None, 4, "SDM vol. 2, SAL/SAR/SHL/SHR";
    Shr = ["shr rm, i"], Innocuous, [], None, 4, "SDM vol. 2, SAL/SAR/SHL/SHR";
    Div = ["div rm"], Innocuous, [], None, 3, "SDM vol. 2, DIV";
    Push = ["push rmi"], Innocuous, [], None, 1, "SDM vol. 2, PUSH";
    Pop = ["pop rm"], Innocuous, [], None, 1, "SDM vol. 2, POP";
    Fninit = ["fninit"], Innocuous, [TaskSwitched], None, 2, "SDM vol. 2, FINIT/FNINIT";
    Cld = ["cld"], Innocuous, [], None, 1, "SDM vol. 2, CLD";
    Std = ["std"], Innocuous, [], None, 1, "SDM vol. 2, STD";
    Call = ["call i", "call rm"], Innocuous, [], None, 5, "SDM vol. 2, CALL";
    Jmp = ["jmp i", "jmp rm"], Innocuous, [], None, 5, "SDM vol. 2, JMP";
    Jcc = ["jz i", "je i", "jnz i", "jne i", "jc i", "jb i", "jnc i", "jae i", "jbe i", "ja i", "js i", "jns i", "jl i", "jge i", "jle i", "jg i"],
        Innocuous, [], None, 2, "SDM vol. 2, Jcc";
    Ret = ["ret"], Innocuous, [], None, 1, "SDM vol. 2, RET";
}

use super::check::VmxNeed;
