//! What a guest's kernel is told on its command line, as far as this model listens. Source: Linux 6.1,
//! `Documentation/admin-guide/kernel-parameters.txt`; systemd(1), "Kernel command line".

use kernel_model::security::lsm::LsmChoice;
use kernel_model::world::Config;

/// The world that these words ask for; it has a terminal.
///
/// `systemd.unified_cgroup_hierarchy` (alone, or a yes) and `cgroup_no_v1=all` give one hierarchy of control groups, version 2; `security=` and
/// `lsm=` (a list) choose the security module. The last one counts. Other words are for nobody.
pub fn config(words: &str) -> Config {
    let mut config = Config { terminal: true, ..Config::default() };
    for word in words.split_whitespace() {
        let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
        match (key, value) {
            ("systemd.unified_cgroup_hierarchy", value) => {
                config.cgroup_v2 = value.is_none_or(|value| matches!(value, "1" | "yes" | "true" | "on" | "y" | "t"));
            }
            ("cgroup_no_v1", Some("all")) => config.cgroup_v2 = true,
            ("security" | "lsm", Some(names)) => {
                config.lsm = names.split(',').find_map(LsmChoice::from_name).unwrap_or(LsmChoice::None);
            }
            _ => {}
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_choose_control_groups_and_security_module_and_the_last_one_counts() {
        let of = |words| {
            let config = config(words);
            assert!(config.terminal);
            (config.cgroup_v2, config.lsm)
        };
        assert_eq!(of(""), (false, LsmChoice::None));
        assert_eq!(of("root=/dev/xvda1 ro quiet security=apparmor"), (false, LsmChoice::AppArmor));
        assert_eq!(of("lsm=lockdown,yama,selinux systemd.unified_cgroup_hierarchy=1"), (true, LsmChoice::Selinux));
        assert_eq!(of("cgroup_no_v1=all security=selinux security="), (true, LsmChoice::None));
        assert_eq!(of("cgroup_no_v1=memory systemd.unified_cgroup_hierarchy=no"), (false, LsmChoice::None));
        assert_eq!(of("systemd.unified_cgroup_hierarchy"), (true, LsmChoice::None));
    }
}
