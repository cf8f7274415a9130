# title: Names of users and groups
# concepts: getent, id, groups, whoami, nsswitch
getent passwd student; getent passwd 1001; getent group tty; getent group 1000; getent passwd nosuch; echo $?
getent passwd | wc -l; getent group | wc -l; getent hosts localhost; getent nosuch; getent
whoami; su student -c whoami; unshare -U whoami; unshare -U --map-user=1 whoami
groups; groups student; groups nosuch; su guest -c groups
id -u; id -un; id -g; id -gn; id -G; id -Gn; id -nu student; id -x
id root student 2>&1 | head -2
unshare -U --map-user=7 id -un
echo 'eve:x:1500:1500:Eve:/home/eve:/bin/sh' >> /etc/passwd; id eve; su eve -c 'id; pwd'
echo 'eve:x:1500:' >> /etc/group; echo 'devs:x:1600:eve,student' >> /etc/group; id eve; id student; su eve -c groups
getent group devs; su student -c 'id -Gn'
setpriv --reuid eve --regid eve --init-groups id
setpriv --reuid 1600 --clear-groups id
chown eve:devs /tmp && stat -c '%U:%G' /tmp; chown 1700:1700 /tmp; stat -c '%U:%G' /tmp
touch /tmp/f; chown student: /tmp/f; stat -c %U:%G /tmp/f; chown :devs /tmp/f; stat -c %U:%G /tmp/f; chown nosuch /tmp/f; chgrp nosuch /tmp/f; chgrp devs /tmp/f
su eve -c 'chgrp devs /tmp/f'; su student -c 'chgrp devs /tmp/f && echo member; chgrp eve /tmp/f; chown eve /tmp/f'
su root -c id; su student -c 'su root -c id'; su '' -c id
su nobody -c id
su -s /bin/sh nobody -c 'id -u; touch /root/x'
su student -c 'exit 3'; su student -c 'kill -TERM $$'; su student nosuchfile
su student -c 'echo $HOME $USER $LOGNAME $SHELL $PATH; pwd'
HOME=/x su -m student -c 'echo $HOME'
env -u HOME sh -c 'echo [$HOME]'; printenv HOME; printenv NOSUCH; env FOO=bar printenv FOO
