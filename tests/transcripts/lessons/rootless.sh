# Root of a user namespace makes the other kinds; its file belongs to the student.
su student -c 'unshare --mount --pid --fork sh'
su student -c 'unshare --user --map-root-user --mount --pid --fork --mount-proc sh -c "id -u; echo \$\$; mount -t tmpfs t /mnt && echo mounted; touch /home/student/mine; stat -c %u /home/student/mine /etc/passwd"'
stat -c %U /home/student/mine
