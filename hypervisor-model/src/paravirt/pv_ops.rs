//! `pv_ops`: what each privileged operation of the kernel is on the bare machine, on Xen, behind a VMI ROM, and on lguest.
//!
//! One kernel runs on all of them: at each place where it would need privilege there is a call through this table, and at boot
//! the call is rewritten, into a direct call of the platform's function or, where that is an instruction or two, into the
//! instructions themselves. So the same source costs nothing on the bare machine. The two proposals of 2006 differed in where
//! the table is: VMI put it into a ROM that the hypervisor brings along, and the kernel calls into it; paravirt_ops put it into
//! the kernel, which brings an implementation for each hypervisor.
//!
//! Source: Linux 6.1 `arch/x86/include/asm/paravirt_types.h`, `arch/x86/kernel/paravirt.c`, `arch/x86/xen/{irq,mmu_pv,
//! enlighten_pv}.c`; bytes of the patches: Linux 5.4 `arch/x86/kernel/paravirt_patch.c`; VMI: Linux 2.6.34
//! `arch/x86/kernel/vmi_32.c`, `arch/x86/include/asm/vmi.h`; lguest: Linux 4.13 `arch/x86/lguest/boot.c`,
//! `arch/x86/include/asm/lguest_hcall.h`.

/// Whose table it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Below {
    /// Nobody: the processor.
    Native,
    /// Xen.
    Xen,
    /// A hypervisor's ROM in the manner of VMI.
    Vmi,
    /// lguest, the smallest hypervisor that Linux ever had.
    Lguest,
}

impl Below {
    /// All of them.
    pub const ALL: [Below; 4] = [Below::Native, Below::Xen, Below::Vmi, Below::Lguest];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Below::Native => "native",
            Below::Xen => "Xen",
            Below::Vmi => "VMI ROM",
            Below::Lguest => "lguest",
        }
    }
}

/// What becomes of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Becomes {
    /// These instructions, in place of the call.
    Inline(&'static str, &'static [u8]),
    /// A call of a function of the kernel that executes it.
    Call(&'static str),
    /// Memory that is shared with the hypervisor is read or written.
    Memory(&'static str),
    /// A hypercall.
    Hypercall(&'static str),
    /// A call into the hypervisor's ROM.
    Rom(&'static str),
    /// Nothing: it is not needed there.
    Nothing(&'static str),
}

/// An operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PvOpInfo {
    /// The table of the kernel that it is in: `cpu`, `irq`, `mmu`.
    pub group: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// What it is on [`Below::ALL`], in that order.
    pub becomes: [Becomes; 4],
}

impl PvOpInfo {
    /// What it becomes.
    pub fn on(&self, below: Below) -> Becomes {
        let at = Below::ALL.iter().position(|known| *known == below).unwrap_or(0);
        self.becomes[at]
    }

    /// The seven bytes at a place where it is called, before the kernel is patched: `call *pv_ops+offset`.
    pub fn site_before(&self) -> [u8; 7] {
        let offset = PV_OPS.iter().position(|op| op.name == self.name).unwrap_or(0) as u32 * 8;
        let [a, b, c, d] = (0x8240_0000_u32 + offset).to_le_bytes();
        [0xff, 0x14, 0x25, a, b, c, d]
    }

    /// The same bytes afterwards, `None` for those of an address: instructions in place with NOPs behind them, or a direct
    /// call.
    pub fn site_after(&self, below: Below) -> [Option<u8>; 7] {
        let (mut bytes, used) = match self.on(below) {
            Becomes::Inline(_, bytes) => {
                let mut site = [None; 7];
                site.iter_mut().zip(bytes).for_each(|(to, from)| *to = Some(*from));
                (site, bytes.len())
            }
            Becomes::Nothing(_) => ([None; 7], 0),
            _ => ([Some(0xe8), None, None, None, None, None, None], 5),
        };
        bytes.iter_mut().skip(used).for_each(|byte| *byte = Some(0x90));
        bytes
    }
}

use Becomes::{Call, Hypercall, Inline, Memory, Nothing, Rom};

const fn op(group: &'static str, name: &'static str, becomes: [Becomes; 4]) -> PvOpInfo {
    PvOpInfo { group, name, becomes }
}

const NO_WBINVD: Becomes = Nothing("no device writes to a guest's memory behind its caches");

/// The operations.
pub static PV_OPS: [PvOpInfo; 24] = [
    op(
        "irq",
        "irq_disable",
        [
            Inline("cli", &[0xfa]),
            Memory("evtchn_upcall_mask = 1"),
            Rom("VMI_DisableInterrupts"),
            Memory("lguest_data.irq_enabled = 0"),
        ],
    ),
    op(
        "irq",
        "irq_enable",
        [
            Inline("sti", &[0xfb]),
            Memory("evtchn_upcall_mask = 0; a hypercall if an event is pending"),
            Rom("VMI_EnableInterrupts"),
            Memory("lguest_data.irq_enabled = IF; LHCALL_SEND_INTERRUPTS if one is pending"),
        ],
    ),
    op(
        "irq",
        "save_fl",
        [
            Inline("pushf; pop %rax", &[0x9c, 0x58]),
            Memory("IF = not evtchn_upcall_mask"),
            Rom("VMI_GetInterruptMask"),
            Memory("lguest_data.irq_enabled"),
        ],
    ),
    op(
        "irq",
        "safe_halt",
        [Call("native_safe_halt: sti; hlt"), Hypercall("sched_op block"), Rom("VMI_Halt"), Hypercall("LHCALL_HALT")],
    ),
    op(
        "cpu",
        "read_cr0",
        [
            Call("native_read_cr0"),
            Memory("a copy of CR0 that the kernel keeps"),
            Rom("VMI_GetCR0"),
            Memory("a copy of CR0 that the kernel keeps"),
        ],
    ),
    op(
        "cpu",
        "write_cr0",
        [
            Call("native_write_cr0"),
            Hypercall("fpu_taskswitch: only TS can change"),
            Rom("VMI_SetCR0"),
            Hypercall("LHCALL_TS"),
        ],
    ),
    op(
        "cpu",
        "load_gdt",
        [Call("native_load_gdt"), Hypercall("set_gdt"), Rom("VMI_SetGDT"), Hypercall("LHCALL_LOAD_GDT_ENTRY, each")],
    ),
    op(
        "cpu",
        "load_idt",
        [
            Call("native_load_idt"),
            Hypercall("set_trap_table"),
            Rom("VMI_SetIDT"),
            Hypercall("LHCALL_LOAD_IDT_ENTRY, each"),
        ],
    ),
    op(
        "cpu",
        "write_gdt_entry",
        [
            Call("native_write_gdt_entry"),
            Hypercall("update_descriptor"),
            Rom("VMI_WriteGDTEntry"),
            Hypercall("LHCALL_LOAD_GDT_ENTRY"),
        ],
    ),
    op(
        "cpu",
        "load_sp0",
        [
            Call("native_load_sp0"),
            Hypercall("stack_switch, in the multicall of the switch"),
            Rom("VMI_UpdateKernelStack"),
            Hypercall("LHCALL_SET_STACK"),
        ],
    ),
    op(
        "cpu",
        "cpuid",
        [
            Call("native_cpuid"),
            Call("xen_cpuid: a prefix that Xen knows, then cpuid"),
            Rom("VMI_CPUID"),
            Call("lguest_cpuid: the real one, features taken out"),
        ],
    ),
    op(
        "cpu",
        "read_msr",
        [
            Call("native_read_msr"),
            Call("xen_read_msr: faults, and Xen emulates"),
            Rom("VMI_RDMSR"),
            Nothing("the guest has none"),
        ],
    ),
    op("cpu", "wbinvd", [Inline("wbinvd", &[0x0f, 0x09]), NO_WBINVD, Rom("VMI_WBINVD"), NO_WBINVD]),
    op("cpu", "iret", [Call("iretq"), Hypercall("iret"), Rom("VMI_IRET"), Call("iret, from a kernel in ring 1")]),
    op(
        "mmu",
        "read_cr2",
        [
            Inline("mov %cr2,%rax", &[0x0f, 0x20, 0xd0]),
            Memory("vcpu_info.arch.cr2"),
            Rom("VMI_GetCR2"),
            Memory("lguest_data.cr2"),
        ],
    ),
    op(
        "mmu",
        "read_cr3",
        [
            Inline("mov %cr3,%rax", &[0x0f, 0x20, 0xd8]),
            Memory("a copy of CR3 that the kernel keeps"),
            Rom("VMI_GetCR3"),
            Memory("a copy of CR3 that the kernel keeps"),
        ],
    ),
    op(
        "mmu",
        "write_cr3",
        [
            Inline("mov %rdi,%cr3", &[0x0f, 0x22, 0xdf]),
            Hypercall("mmuext_op NEW_BASEPTR, and NEW_USER_BASEPTR on 64 bit"),
            Rom("VMI_SetCR3"),
            Hypercall("LHCALL_NEW_PGTABLE"),
        ],
    ),
    op(
        "mmu",
        "flush_tlb_user",
        [
            Call("native_flush_tlb_local"),
            Hypercall("mmuext_op TLB_FLUSH_LOCAL"),
            Rom("VMI_FlushTLB"),
            Hypercall("LHCALL_FLUSH_TLB"),
        ],
    ),
    op(
        "mmu",
        "flush_tlb_one_user",
        [
            Call("native_flush_tlb_one_user: invlpg"),
            Hypercall("mmuext_op INVLPG_LOCAL"),
            Rom("VMI_InvalPage"),
            Hypercall("LHCALL_SET_PTE with 0, or LHCALL_FLUSH_TLB"),
        ],
    ),
    op(
        "mmu",
        "set_pte",
        [
            Call("native_set_pte: mov"),
            Hypercall("mmu_update, collected in lazy mode"),
            Rom("VMI_SetPxE"),
            Hypercall("LHCALL_SET_PTE, after the store"),
        ],
    ),
    op(
        "mmu",
        "set_pmd",
        [
            Call("native_set_pmd: mov"),
            Hypercall("mmu_update, if the table is pinned"),
            Rom("VMI_SetPxE"),
            Hypercall("LHCALL_SET_PMD, after the store"),
        ],
    ),
    op(
        "mmu",
        "alloc_pte",
        [
            Nothing("a page table is memory"),
            Hypercall("update_va_mapping read-only, mmuext_op PIN_L1_TABLE"),
            Rom("VMI_AllocatePage"),
            Nothing("the hypervisor shadows tables when it meets them"),
        ],
    ),
    op(
        "mmu",
        "release_pte",
        [
            Nothing("a page table is memory"),
            Hypercall("mmuext_op UNPIN_TABLE, update_va_mapping writable"),
            Rom("VMI_ReleasePage"),
            Nothing("the hypervisor forgets with the next flush"),
        ],
    ),
    op(
        "mmu",
        "exit_mmap",
        [
            Nothing("nothing has to be told"),
            Hypercall("mmuext_op UNPIN_TABLE for the whole, before it is torn down"),
            Nothing("VMI_ReleasePage has been called for each"),
            Nothing("the hypervisor forgets with the next flush"),
        ],
    ),
];

/// The table as a text: operation, and what it is on each.
pub fn text() -> String {
    let mut text = String::new();
    for op in &PV_OPS {
        text.push_str(&format!("{}.{}\n", op.group, op.name));
        for below in Below::ALL {
            let (how, what) = match op.on(below) {
                Inline(what, _) => ("inline", what),
                Call(what) => ("call", what),
                Memory(what) => ("memory", what),
                Hypercall(what) => ("hypercall", what),
                Rom(what) => ("ROM call", what),
                Nothing(why) => ("nothing", why),
            };
            text.push_str(&format!("  {:<8} {how:<10} {what}\n", below.name()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str) -> &'static PvOpInfo {
        PV_OPS.iter().find(|op| op.name == name).expect("it is in the table")
    }

    #[test]
    fn on_the_bare_machine_the_call_becomes_the_instruction() {
        let cli = find("irq_disable");
        assert_eq!(cli.site_before()[..3], [0xff, 0x14, 0x25]);
        let after: Vec<u8> = cli.site_after(Below::Native).into_iter().flatten().collect();
        assert_eq!(after, [0xfa, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90]);
        assert_eq!(cli.site_after(Below::Xen)[0], Some(0xe8), "a direct call");
    }

    #[test]
    fn every_hypercall_of_xens_column_is_in_xens_table() {
        use crate::xen::hypercall::HypercallNumber;
        for op in &PV_OPS {
            if let Hypercall(what) = op.on(Below::Xen) {
                let name = what.split([' ', ':', ',']).next().unwrap_or_default();
                assert!(HypercallNumber::from_name(name).is_some(), "{}: {name}", op.name);
            }
        }
    }

    #[test]
    fn the_text_has_a_line_for_each_platform() {
        let text = text();
        assert_eq!(text.lines().count(), PV_OPS.len() * 5);
        assert!(
            text.starts_with(
                "irq.irq_disable\n  native   inline     cli\n  Xen      memory     evtchn_upcall_mask = 1\n"
            )
        );
    }
}
