//go:build !linux

package bus_test

func inMemory() string { return "" }
