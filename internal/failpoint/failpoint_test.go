package failpoint_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/failpoint"
)

func TestPointsAreThereOnlyWhenBuiltIn(t *testing.T) {
	if failpoint.Armed {
		t.Skip("this build has points")
	}
	ordinary, armed := build(t), build(t, "-tags", "failpoints")
	for _, test := range []struct {
		name, program, point, out string
		killed                    bool
		exit                      int
	}{
		{name: "an ordinary build heeds nothing", program: ordinary, point: "run-asked", out: "once\ntwice\n"},
		{name: "nor what is no point", program: ordinary, point: "no-such-point", out: "once\ntwice\n"},
		{name: "not told", program: armed, out: "once\ntwice\n"},
		{name: "told of another", program: armed, point: "run-taken", out: "once\ntwice\n"},
		{name: "told", program: armed, point: "run-asked", killed: true},
		{name: "told of the second time", program: armed, point: "run-asked:2", out: "once\n", killed: true},
		{name: "told of a third time that never comes", program: armed, point: "run-asked:3", out: "once\ntwice\n"},
		{name: "told what is no point", program: armed, point: "no-such-point", exit: 2},
		{name: "told no count", program: armed, point: "run-asked:0", exit: 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command(test.program)
			cmd.Env = append(os.Environ(), "PLUMBLINE_FAILPOINT="+test.point)
			var out strings.Builder
			cmd.Stdout = &out
			_ = cmd.Run() // how it ended is looked at
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if out.String() != test.out || status.Signaled() != test.killed || !test.killed && status.ExitStatus() != test.exit {
				t.Errorf("printed %q and ended with %s, want %q, killed %t, exit %d", &out, cmd.ProcessState, test.out, test.killed, test.exit)
			}
		})
	}
}

func build(t *testing.T, flags ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", append(append([]string{"build", "-o", binary}, flags...), "./testdata/program")...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
