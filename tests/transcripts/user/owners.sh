# title: Who may do what with files
# concepts: umask, sticky and set-group-ID directories, protected hard links, trailing slashes
cd /tmp; umask; umask 027; touch f; mkdir d; stat -c '%a %U:%G' f d; umask 022
su student -c 'touch /tmp/sf; ln /tmp/f /tmp/hl; mv /tmp/f /tmp/g; rm -f /tmp/f'
touch /tmp/open; chmod 666 /tmp/open; su student -c 'ln /tmp/open /tmp/o2; ln /tmp/sf /tmp/s2'; stat -c '%h %n' open sf
chmod 4777 open; su student -c 'ln /tmp/open /tmp/o3'; chmod 2767 open; su student -c 'ln /tmp/open /tmp/o3'; chmod 2777 open; su student -c 'ln /tmp/open /tmp/o4'
su student -c 'ln /etc/passwd /tmp/pw; ln /dev/null /tmp/null; ln /home/student /tmp/dir; ln -s /etc/passwd /tmp/sl; ln /tmp/sl /tmp/sl2; stat -c %h /tmp/sl'
su guest -c 'ln /tmp/sl /tmp/sl3'
echo 0 > /proc/sys/fs/protected_hardlinks; su student -c 'ln /tmp/f /tmp/hl; echo $?'; echo 1 > /proc/sys/fs/protected_hardlinks
unshare -Ur sh -c 'ln /tmp/sf /tmp/s5; echo $?'
su student -c 'unshare -Ur sh -c "ln /tmp/f /tmp/s6; ln /tmp/sf /tmp/s7; echo \$?"'
cp f nosuch/; cp f sf/; mv f nosuch/; touch nosuch/; mkdir nosuch/; rmdir nosuch/; ls f/; cat < f/
chmod 4755 sf; chown guest sf; stat -c '%a %U' sf; chmod 6777 d; touch d/in; chgrp student d; touch d/in2; mkdir d/sub; stat -c '%G %a' d/in2 d/sub
su student -c 'mkdir /tmp/own; chmod 1777 /tmp/own; touch /tmp/own/a'; su guest -c 'touch /tmp/own/b; rm /tmp/own/a; mv /tmp/own/b /tmp/own/c; ls /tmp/own'
su student -c "cat /proc/$$/maps | wc -l; wc -l < /proc/$$/maps; cat /proc/self/maps > /dev/null; echo \$?"
su student -c 'ls -l /proc/1/exe' > /dev/null
