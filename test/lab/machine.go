package lab

// Machine is this machine's own FRR, which hack/setup installs, whatever other versions there are. It skips t where the
// laboratory cannot be built or the machine has none.
func Machine(t T) Version {
	t.Helper()
	Require(t)
	for _, v := range installed(t) {
		if v.Root == "/" {
			return v
		}
	}
	t.Skipf("this machine has no FRR of its own: run hack/setup")
	return Version{}
}
