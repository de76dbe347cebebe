package main

const (
	sysBPF           = 321
	sysAddKey        = 248
	sysRequestKey    = 249
	sysKeyctl        = 250
	sysUserfaultfd   = 323
	sysOpenByHandle  = 304
	sysPerfEventOpen = 298
)
