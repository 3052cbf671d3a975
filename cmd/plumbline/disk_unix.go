//go:build unix

package main

import "golang.org/x/sys/unix"

// freeSpace is how many bytes the file system of a directory has left for this user.
func freeSpace(dir string) (free uint64, known bool) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, false
	}
	return uint64(stat.Bavail) * uint64(stat.Bsize), true // #nosec G115 -- a size of blocks is above zero
}
