# Root of a user namespace, and what it may not do outside of it.
su student -c 'unshare --user --map-root-user id -u'
su student -c 'unshare --user --map-root-user hostname mine'
su student -c 'unshare --user --map-root-user --uts sh -c "hostname mine; hostname"'
su student -c 'unshare --user id -u'
hostname
