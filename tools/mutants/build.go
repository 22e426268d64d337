package mutants

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Build compiles ./tools/ottla of the module in root with the mutant in it, to the file out. Scratch is a folder of the
// mutant's own.
func (m *Mutant) Build(root, scratch, out string) error {
	name, err := m.Overlay(root, scratch)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-overlay", name, "-ldflags=-s -w", "-o", out, "./tools/ottla")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", m.Name, err, text)
	}
	return nil
}

// Overlay writes the changed files to the folder scratch, and a file that has the go command compile them instead of
// those in root. It returns that file's name.
func (m *Mutant) Overlay(root, scratch string) (string, error) {
	changed, err := m.Apply(root)
	if err != nil {
		return "", err
	}
	replace, n := map[string]string{}, 0
	for file, text := range changed {
		n++
		path := filepath.Join(scratch, "changed-"+strconv.Itoa(n)+".go")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = path
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(scratch, "overlay.json")
	if err := os.WriteFile(name, overlay, 0o600); err != nil {
		return "", err
	}
	return name, nil
}

// Commit is the short name of the source's commit, with a plus if something in it has been changed since. It is empty
// where there is no git.
func Commit(root string) string {
	git := func(args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	commit := git("rev-parse", "--short", "HEAD")
	if commit != "" && git("status", "--porcelain", "--untracked-files=no", "--", "core", "sim", "netsim") != "" {
		commit += "+"
	}
	return commit
}

// Root finds the folder of the module's source from the current folder upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, Folder)); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no %s in this folder or above it: mutants are built from the source, "+
				"so run this in the project's folder", Folder)
		}
		dir = parent
	}
}
