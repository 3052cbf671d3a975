//go:build !linux

package sim_test

func inMemory() string { return "" }
