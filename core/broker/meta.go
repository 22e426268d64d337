package broker

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
)

// A folder's meta.properties says whose it is, and nothing else knows that: a wrong bit in it would be another node, or
// another cluster. So it ends with a checksum, in a comment, which Kafka reads over; and there is a copy of it, from
// which it is restored.
const (
	metaCopyFile = metaPropertiesFile + ".copy"
	metaChecksum = "#crc32c="
	metaDamage   = metaPropertiesFile + " in %s is damaged, and so is its copy, or there is none. Nothing was removed: " +
		"restore one of them. Whoever changes the file takes its last line away, and removes " + metaCopyFile
	metaUnreadable = "the folder %s has partitions, but no " + metaPropertiesFile + ", which says whose they are: " +
		"restore it"
)

// metaProperties is the text of meta.properties, version 1.
func metaProperties(cluster string, node core.BrokerID, directory core.UUID) []byte {
	b := fmt.Appendf(nil, "version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n", cluster, node, directory)
	return appendMetaChecksum(b)
}

func appendMetaChecksum(b []byte) []byte {
	return fmt.Appendf(b, metaChecksum+"%08x\n", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// checksummed reports whether the bytes end with their checksum.
func checksummed(b []byte) bool {
	at := strings.LastIndex(string(b), metaChecksum)
	return at >= 0 && string(appendMetaChecksum(b[:at:at])) == string(b)
}

// writeMeta writes meta.properties, and then its copy.
func writeMeta(fs core.FS, dir string, text []byte) error {
	err := log.WriteAtomically(fs, dir, metaPropertiesFile, text)
	if err == nil {
		err = log.WriteAtomically(fs, dir, metaCopyFile, text)
	}
	return err
}

// readMeta reads meta.properties, or its copy if it is damaged or gone. One without a checksum, as Kafka and editors
// write it, is believed if there is no copy.
func readMeta(fs core.FS, dir string) (text []byte, restore bool, err error) {
	text, err = readAll(fs, dir+"/"+metaPropertiesFile)
	if err != nil && !errors.Is(err, core.ErrNotExist) || checksummed(text) {
		return text, false, err
	}
	second, e := readAll(fs, dir+"/"+metaCopyFile)
	switch {
	case e == nil && checksummed(second):
		return second, true, nil
	case e != nil && !errors.Is(e, core.ErrNotExist):
		return nil, false, e
	case err != nil && e != nil:
		return nil, false, core.ErrNotExist
	case e == nil || strings.Contains(string(text), "crc"):
		return nil, false, fmt.Errorf(metaDamage, dir)
	}
	return text, false, nil
}

// ReadMeta reads a data folder's meta.properties. The error is [core.ErrNotExist] for a folder that is not formatted.
func ReadMeta(fs core.FS, dir string) (map[string]string, error) {
	b, _, err := readMeta(fs, dir)
	if err != nil {
		return nil, fmt.Errorf("reading %s in %s: %w", metaPropertiesFile, dir, err)
	}
	p := parseMeta(string(b))
	if p["node.id"] == "" {
		p["node.id"] = p["broker.id"]
	}
	return p, nil
}

// keepMeta restores meta.properties from its copy, or the copy from it.
func (j *bootJob) keepMeta(fs core.FS, dir string) error {
	text, restore, err := readMeta(fs, dir)
	if err != nil || !checksummed(text) {
		return nil // there is nothing to be kept, or ReadMeta says why
	}
	second, err := readAll(fs, dir+"/"+metaCopyFile)
	if !restore && err == nil && string(second) == string(text) {
		return nil
	}
	if restore {
		j.notes = append(j.notes, metaPropertiesFile+" in "+dir+" was damaged or gone and is restored from its copy")
	}
	return writeMeta(fs, dir, text)
}

// unclaimed refuses a folder that belongs to nobody and is not empty.
func unclaimed(fs core.FS, dir string) error {
	entries, err := fs.List(dir)
	if err != nil && !errors.Is(err, core.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if tp, ok := log.ParseDirName(e.Name); e.Dir && ok && tp != metadataPartition() {
			return fmt.Errorf(metaUnreadable, dir)
		}
	}
	return nil
}

func parseMeta(text string) map[string]string {
	p := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			p[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return p
}
