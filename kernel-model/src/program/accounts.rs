//! Users and groups as the C library knows them: `/etc/passwd` and `/etc/group`.

use super::Sys;

/// A line of passwd(5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of the login group.
    pub gid: u32,
    /// Full name and more.
    pub gecos: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A line of group(5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Name of the group.
    pub name: String,
    /// Group id.
    pub gid: u32,
    /// Names of its members, those of whom it is the login group not included.
    pub members: Vec<String>,
}

/// All users and groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Accounts {
    /// passwd(5), in order.
    pub users: Vec<User>,
    /// group(5), in order.
    pub groups: Vec<Group>,
}

impl Accounts {
    /// Reads the two files' texts. Lines that are not well-formed are skipped, as the C library does.
    pub fn parse(passwd: &str, group: &str) -> Accounts {
        let users = passwd.lines().filter_map(|line| {
            let field: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, gecos, home, shell] = field.as_slice() else { return None };
            Some(User {
                name: (*name).to_owned(),
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
                gecos: (*gecos).to_owned(),
                home: (*home).to_owned(),
                shell: (*shell).to_owned(),
            })
        });
        let groups = group.lines().filter_map(|line| {
            let field: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = field.as_slice() else { return None };
            Some(Group {
                name: (*name).to_owned(),
                gid: gid.parse().ok()?,
                members: members.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect(),
            })
        });
        Accounts { users: users.collect(), groups: groups.collect() }
    }

    /// getpwnam(3)
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|u| u.name == name)
    }

    /// getpwuid(3)
    pub fn user_by_id(&self, uid: u32) -> Option<&User> {
        self.users.iter().find(|u| u.uid == uid)
    }

    /// getgrnam(3)
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|g| g.name == name)
    }

    /// getgrgid(3)
    pub fn group_by_id(&self, gid: u32) -> Option<&Group> {
        self.groups.iter().find(|g| g.gid == gid)
    }

    /// The user's name, or the number when there is none.
    pub fn user_name(&self, uid: u32) -> String {
        self.user_by_id(uid).map_or_else(|| uid.to_string(), |u| u.name.clone())
    }

    /// The group's name, or the number when there is none.
    pub fn group_name(&self, gid: u32) -> String {
        self.group_by_id(gid).map_or_else(|| gid.to_string(), |g| g.name.clone())
    }

    /// getgrouplist(3): the groups of a user, the login group first.
    pub fn group_list(&self, name: &str, gid: u32) -> Vec<u32> {
        let mut list = vec![gid];
        for group in &self.groups {
            if group.members.iter().any(|m| m == name) && !list.contains(&group.gid) {
                list.push(group.gid);
            }
        }
        list
    }
}

impl Sys {
    /// Reads `/etc/passwd` and `/etc/group`; files that cannot be read count as empty.
    pub async fn accounts(&self) -> Accounts {
        let passwd = self.read_file("/etc/passwd").await.unwrap_or_default();
        let group = self.read_file("/etc/group").await.unwrap_or_default();
        Accounts::parse(&passwd, &group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_users_and_groups() {
        let a = Accounts::parse(
            "root:x:0:0:root:/root:/bin/sh\nbroken\nstudent:x:1000:1000::/home/student:/bin/sh\n",
            "root:x:0:\nwheel:x:10:student,x\nstudent:x:1000:\n",
        );
        assert_eq!(a.users.len(), 2);
        assert_eq!(a.user_name(1000), "student");
        assert_eq!(a.user_name(7), "7");
        assert_eq!(a.group_list("student", 1000), [1000, 10]);
    }
}
