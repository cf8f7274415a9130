# Setting the host name is asked of the kernel, and refused to the student.
hostname ring0
su student -c 'hostname mine'
hostname
hostname lab
