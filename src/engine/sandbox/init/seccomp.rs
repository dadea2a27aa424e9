//! Which system calls commands may not make: what the default profile of container engines keeps from a container
//! without capabilities.
//!
//! The filter lists what is refused. That is shorter and easier to check than the 350 calls that are allowed, and
//! as tight, since calls unknown to this table are refused as well: those younger than it, and those under the
//! numbers of another ABI.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, apply_filter,
    sock_filter,
};

use crate::engine::EngineError;

/// Youngest system call that this table has an opinion on: `removexattrat`, Linux 6.13. The numbers are the same on
/// all architectures from 424 on.
const YOUNGEST: u32 = 466;

/// Refused with "not permitted".
#[rustfmt::skip]
const REFUSED: &[c_long] = &[
    // Mounts and roots.
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot, libc::SYS_fsopen, libc::SYS_fsconfig,
    libc::SYS_fsmount, libc::SYS_fspick, libc::SYS_open_tree, libc::SYS_move_mount, libc::SYS_mount_setattr,
    STATMOUNT, LISTMOUNT,
    // Namespaces. `clone` is looked at below.
    libc::SYS_unshare, libc::SYS_setns,
    // Other processes.
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_pidfd_getfd, libc::SYS_kcmp,
    // The kernel itself.
    libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_userfaultfd, libc::SYS_init_module, libc::SYS_finit_module,
    libc::SYS_delete_module, libc::SYS_kexec_load, libc::SYS_kexec_file_load, libc::SYS_reboot, libc::SYS_syslog,
    libc::SYS_lookup_dcookie, LSM_GET_SELF_ATTR, LSM_SET_SELF_ATTR, LSM_LIST_MODULES,
    // Keys, which belong to no namespace.
    libc::SYS_add_key, libc::SYS_keyctl, libc::SYS_request_key,
    // Files past their paths.
    libc::SYS_open_by_handle_at, libc::SYS_fanotify_init,
    // The host's state.
    libc::SYS_acct, libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_quotactl, libc::SYS_quotactl_fd, libc::SYS_vhangup,
    libc::SYS_sethostname, libc::SYS_setdomainname, libc::SYS_settimeofday, libc::SYS_clock_settime,
    // Memory of other nodes.
    libc::SYS_mbind, libc::SYS_set_mempolicy, libc::SYS_migrate_pages, libc::SYS_move_pages,
];

/// Those of the above that only this architecture has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] =
    &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_uselib, libc::SYS_ustat, libc::SYS_sysfs, libc::SYS__sysctl];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

/// Refused as if the kernel did not have them, so that programs fall back to older ways: `clone3`, whose flags a
/// filter cannot see, and `io_uring`, whose work passes filters by.
const UNKNOWN: &[c_long] = &[libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

// Not in libc for every architecture yet.
const STATMOUNT: c_long = 457;
const LISTMOUNT: c_long = 458;
const LSM_GET_SELF_ATTR: c_long = 459;
const LSM_SET_SELF_ATTR: c_long = 460;
const LSM_LIST_MODULES: c_long = 461;

/// Flags of `clone` that make namespaces.
const NAMESPACE_FLAGS: [libc::c_int; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    CLONE_NEWTIME,
];
const CLONE_NEWTIME: libc::c_int = 0x80;

/// Kinds of socket that are allowed. Others reach past the network namespace (`AF_VSOCK`: the hypervisor) or into
/// parts of the kernel that builds do not need.
const SOCKET_FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Execution domains that are allowed: the usual ones of Linux, and asking.
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, u32::MAX];

/// Terminal requests that put words into somebody else's mouth.
const TYPING_REQUESTS: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// Puts this process, which must have a single thread, and all that it will start under the filter.
pub(super) fn apply() -> Result<(), EngineError> {
    for program in programs().map_err(|error| EngineError::new(format!("cannot compile the system call filter: {error}")))? {
        apply_filter(&program).map_err(|error| EngineError::new(format!("cannot load the system call filter: {error}")))?;
    }
    Ok(())
}

fn programs() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let mut refused = listed(&[REFUSED, REFUSED_HERE]);
    refused.extend(conditional()?);
    let unknown = compile(listed(&[UNKNOWN]), libc::ENOSYS)?;
    Ok([compile(refused, libc::EPERM)?, younger_calls().into_iter().chain(unknown).collect()])
}

fn listed(lists: &[&[c_long]]) -> BTreeMap<c_long, Vec<SeccompRule>> {
    lists.iter().copied().flatten().map(|call| (*call, Vec::new())).collect()
}

/// Calls that are refused for some arguments. Each rule's conditions must all hold; one rule is enough.
fn conditional() -> Result<Vec<(c_long, Vec<SeccompRule>)>, seccompiler::BackendError> {
    let condition = |argument, operator, value: u64| SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value);
    let any_of = |argument, values: &[(SeccompCmpOp, u64)]| -> Result<Vec<_>, _> {
        let rule =
            |(operator, value): &(SeccompCmpOp, u64)| SeccompRule::new(vec![condition(argument, operator.clone(), *value)?]);
        values.iter().map(rule).collect()
    };
    let none_of = |argument, values: &[u64]| {
        let conditions = values.iter().map(|value| condition(argument, SeccompCmpOp::Ne, *value));
        Ok(vec![SeccompRule::new(conditions.collect::<Result<_, _>>()?)?])
    };
    let flags = NAMESPACE_FLAGS.map(|flag| u64::from(flag.cast_unsigned()));
    let families = SOCKET_FAMILIES.map(|family| u64::from(family.cast_unsigned()));
    Ok(vec![
        (libc::SYS_clone, any_of(0, &flags.map(|flag| (SeccompCmpOp::MaskedEq(flag), flag)))?),
        (libc::SYS_ioctl, any_of(1, &TYPING_REQUESTS.map(|request| (SeccompCmpOp::Eq, request)))?),
        (libc::SYS_socket, none_of(0, &families)?),
        (libc::SYS_personality, none_of(0, &PERSONALITIES.map(u64::from))?),
    ])
}

fn compile(rules: BTreeMap<c_long, Vec<SeccompRule>>, errno: libc::c_int) -> Result<BpfProgram, seccompiler::BackendError> {
    let refusal = SeccompAction::Errno(errno.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, refusal, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// Instructions, to go before a program, that refuse calls above [`YOUNGEST`] as unknown. That includes all of the
/// x32 ABI, whose numbers start at 2^30.
fn younger_calls() -> [sock_filter; 3] {
    let load_number = sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 };
    let skip_unless_above = sock_filter { code: 0x25, jt: 0, jf: 1, k: YOUNGEST };
    let refuse = sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | libc::ENOSYS.cast_unsigned() };
    [load_number, skip_unless_above, refuse]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What applies to a call, as the number that a filter program returns: runs the program, as the kernel would.
    fn outcome(number: u32, arguments: [u32; 2]) -> u32 {
        programs()
            .unwrap()
            .iter()
            .map(|program| run(program, number, arguments))
            .max_by_key(|action| action != &0x7fff_0000)
            .unwrap()
    }

    fn run(program: &[sock_filter], number: u32, arguments: [u32; 2]) -> u32 {
        let arch = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };
        let (mut accumulator, mut at) = (0, 0);
        loop {
            let step = &program[at];
            let jump = |holds: bool| 1 + usize::from(if holds { step.jt } else { step.jf });
            at += match step.code {
                0x20 => {
                    accumulator = match step.k {
                        0 => number,
                        4 => arch,
                        16 => arguments[0],
                        24 => arguments[1],
                        _ => 0,
                    };
                    1
                }
                0x05 => 1 + step.k as usize,
                0x06 => return step.k,
                0x15 => jump(accumulator == step.k),
                0x25 => jump(accumulator > step.k),
                0x35 => jump(accumulator >= step.k),
                0x54 => {
                    accumulator &= step.k;
                    1
                }
                code => panic!("instruction {code:#x} is new here"),
            };
        }
    }

    #[test]
    fn calls_are_told_apart() {
        const ALLOW: u32 = 0x7fff_0000;
        let (refused, unknown) = (0x5_0000 | libc::EPERM.cast_unsigned(), 0x5_0000 | libc::ENOSYS.cast_unsigned());
        let number = |call: c_long| u32::try_from(call).unwrap();
        for (call, arguments, expected) in [
            (number(libc::SYS_read), [0, 0], ALLOW),
            (number(libc::SYS_mount), [0, 0], refused),
            (number(libc::SYS_clone3), [0, 0], unknown),
            (YOUNGEST, [0, 0], ALLOW),
            (YOUNGEST + 1, [0, 0], unknown),
            (0x4000_0000, [0, 0], unknown),
            (number(libc::SYS_clone), [libc::SIGCHLD.cast_unsigned(), 0], ALLOW),
            (number(libc::SYS_clone), [(libc::CLONE_NEWUSER | libc::SIGCHLD).cast_unsigned(), 0], refused),
            (number(libc::SYS_socket), [libc::AF_INET.cast_unsigned(), 0], ALLOW),
            (number(libc::SYS_socket), [libc::AF_VSOCK.cast_unsigned(), 0], refused),
            (number(libc::SYS_ioctl), [0, 0x5401], ALLOW),
            (number(libc::SYS_ioctl), [0, 0x5412], refused),
            (number(libc::SYS_personality), [u32::MAX, 0], ALLOW),
            (number(libc::SYS_personality), [0x0040_0000, 0], refused),
        ] {
            assert_eq!(outcome(call, arguments), expected, "call {call} with {arguments:?}");
        }
    }
}
