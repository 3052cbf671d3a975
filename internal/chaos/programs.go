package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs are what is run, built once.
type programs struct{ plumbline, nats string }

// build makes the programs from this module: the daemon with points at which it can be told to die, and the NATS server
// of the very version that is embedded in it.
func build(ctx context.Context, dir string, race bool) (programs, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return programs{}, fmt.Errorf("go env GOMOD: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	p := programs{plumbline: filepath.Join(dir, "plumbline"), nats: filepath.Join(dir, "nats-server")}
	flags := []string{"-tags", "failpoints"}
	if race {
		flags = append(flags, "-race")
	}
	for program, args := range map[string][]string{
		p.plumbline: append(flags, "./cmd/plumbline"),
		p.nats:      {"github.com/nats-io/nats-server/v2"},
	} {
		build := exec.CommandContext(ctx, "go", append([]string{"build", "-o", program}, args...)...)
		build.Dir = root
		if said, err := build.CombinedOutput(); err != nil {
			return p, fmt.Errorf("build %s: %w\n%s", filepath.Base(program), err, said)
		}
	}
	return p, nil
}
