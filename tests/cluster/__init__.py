"""Real hosts on one machine: network namespaces with sshd, and sweeps and faults over them."""
