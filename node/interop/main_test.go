package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// scratch is removed at the end of the run.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ottla-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	scratch = dir

	code := m.Run()
	if shared == nil {
		return code
	}
	// A broker that died on the way, or that cannot stop, fails the run whatever the clients thought of it.
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if code != 0 {
		fmt.Fprintln(os.Stderr, shared.logTail())
	}
	return code
}

// requireEnabled skips the test unless this slow suite was asked for.
func requireEnabled(t *testing.T) {
	t.Helper()
	if os.Getenv("OTTLA_INTEROP") == "" && !foreignServer() {
		t.Skip("set OTTLA_INTEROP=1 to run real clients against the broker")
	}
}

// missing skips the test for want of what, or fails it where everything is required.
func missing(t *testing.T, what, why string) {
	t.Helper()
	message := fmt.Sprintf("%s is missing: %s", what, why)
	if os.Getenv("OTTLA_INTEROP_REQUIRE") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// cachePath names something that install.sh put into the cache folder.
func cachePath(t *testing.T, elements ...string) string {
	t.Helper()
	dir := os.Getenv("OTTLA_INTEROP_CACHE")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			missing(t, "cache folder", err.Error())
		}
		dir = filepath.Join(user, "ottla-interop")
	}
	return filepath.Join(append([]string{dir}, elements...)...)
}
