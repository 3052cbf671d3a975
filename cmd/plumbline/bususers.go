package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nkeys"
	"github.com/spf13/cobra"
)

// busRoles are the users of configs/nats/accounts.conf.
var busRoles = []string{"validator", "admin", "release", "switch", "auditor", "operator"}

const (
	busUsersFile = "users.conf"
	seedSuffix   = ".nk"
)

func (a *app) busUsersCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "users --output DIR",
		Short: "make a user for each role of configs/nats/accounts.conf",
		Long: `Writes users.conf, the public halves of six nkeys for the servers to include, and for each role its seed, which is a
secret: ROLE` + seedSuffix + `, which nobody else can read. bus.credentials names one. It overwrites nothing; to replace one user, make new ones
elsewhere and copy its line and its seed.`,
		Example: "  plumbline bus users --output configs/nats",
		Args:    arguments(),
		RunE: func(*cobra.Command, []string) error {
			if dir == "" {
				return usagef("bus users wants --output: the directory of accounts.conf")
			}
			return a.makeUsers(dir)
		},
	}
	cmd.Flags().StringVar(&dir, "output", "", "the `DIR` that they are written to")
	return cmd
}

func (a *app) makeUsers(dir string) error {
	public := &strings.Builder{}
	fmt.Fprintln(public, "# The public halves of the users of accounts.conf. Their seeds are elsewhere, and secret.")
	seeds := map[string][]byte{}
	for _, role := range busRoles {
		user, err := nkeys.CreateUser()
		if err != nil {
			return err
		}
		name, err := user.PublicKey()
		if err != nil {
			return err
		}
		if seeds[role+seedSuffix], err = user.Seed(); err != nil {
			return err
		}
		fmt.Fprintf(public, "NKEY_%s: %s\n", strings.ToUpper(role), name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { // #nosec G301 -- seeds in it are for their owner alone
		return usagef("%w", err)
	}
	for _, file := range append([]string{busUsersFile}, seedFiles()...) {
		if _, err := os.Lstat(filepath.Join(dir, file)); !errors.Is(err, fs.ErrNotExist) {
			return usagef("%s is there already: its user would be somebody else; name another --output", filepath.Join(dir, file))
		}
	}
	for _, file := range seedFiles() {
		if err := a.writeNew(filepath.Join(dir, file), seeds[file], 0o600); err != nil {
			return err
		}
	}
	return a.writeNew(filepath.Join(dir, busUsersFile), []byte(public.String()), 0o644)
}

func seedFiles() (files []string) {
	for _, role := range busRoles {
		files = append(files, role+seedSuffix)
	}
	return files
}

// writeNew writes a file that isn't there, and says so.
func (a *app) writeNew(file string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) // #nosec G304 -- the user says where it goes
	if err != nil {
		return usagef("%w", err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return usagef("%s: %w", file, err)
	}
	_, err = fmt.Fprintln(a.Out, file)
	return err
}
