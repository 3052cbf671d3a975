package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// withParent has a child die with this process, however that dies.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// mountDisk makes a directory a disk of its own, of a fixed size.
func mountDisk(dir string, megabytes int) error {
	return syscall.Mount("chaos", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", megabytes))
}

func unmountDisk(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }

// peakMemory is the most memory that a living process ever had, in KiB.
func peakMemory(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if rest, is := bytes.CutPrefix(line, []byte("VmHWM:")); is {
			n, _ := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64) // 0 for what isn't a number
			return n
		}
	}
	return 0
}
