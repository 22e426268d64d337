package sim

import (
	"slices"
	"strings"

	"ottla.dev/core/raft"
	"ottla.dev/sim/fault"
)

// loseMetadata damages the metadata of a process that is not there as a whole.
func (n *node) loseMetadata(all []string) bool {
	random := &n.rots.random
	paths := slices.DeleteFunc(slices.Clone(all), func(path string) bool { return kindOf(path) != kindMetadata })
	if len(paths) == 0 {
		return false
	}
	state := func(path string) bool { return strings.HasSuffix(path, "/"+raft.StateFile) }
	switch random.Below(8) {
	case 0: // the folder is empty
	case 1, 2: // and gone
		n.loseFolder(folderOf(paths[0]))
		return true
	case 3, 4: // and so is what else says that there was something
		folder := folderOf(paths[0])
		n.loseFolder(folder)
		others := slices.ContainsFunc(all, n.ofPartition) // without, it would look like a new node (docs/guarantees.md)
		for _, path := range all {
			if others && folderOf(path) == folderOf(folder) && strings.HasSuffix(path, "-offset-checkpoint") {
				n.disk.Lose(path)
				n.harmed(fault.Amnesia, path, 0)
			}
		}
		return true
	case 5: // all but the election state
		paths = slices.DeleteFunc(paths, state)
	default:
		return n.changeState(paths)
	}
	for _, path := range paths {
		n.disk.Lose(path)
		n.harmed(fault.Amnesia, path, 0)
	}
	return len(paths) > 0
}

// loseFolder takes a folder away with all that is in it.
func (n *node) loseFolder(folder string) {
	n.disk.Lose(folder)
	n.harmed(fault.Amnesia, folder, 0)
}

// changeState makes a digit of the epoch or the vote in the election state another one.
func (n *node) changeState(paths []string) bool {
	i := slices.IndexFunc(paths, func(path string) bool { return strings.HasSuffix(path, "/"+raft.StateFile) })
	if i < 0 {
		return false
	}
	b, _ := n.disk.Bytes(paths[i])
	var digits []int
	for _, name := range []string{`"leaderEpoch":`, `"votedId":`} {
		_, rest, _ := strings.Cut(string(b), name)
		value, _, _ := strings.Cut(rest, ",")
		for at := range value {
			if digit := len(b) - len(rest) + at; b[digit] >= '0' && b[digit] <= '9' {
				digits = append(digits, digit)
			}
		}
	}
	if len(digits) == 0 {
		return false
	}
	n.harmed(fault.Amnesia, paths[i], n.changeOneOf(paths[i], digits))
	return true
}
