package fault

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// Format is the version of the text of plans. Whoever changes what a line of a plan means counts it up; a new field
	// whose absence means what was before is no new version.
	Format = 1
	// Drawing is the version of what seeds draw: a seed means nothing without it. Whoever changes what is drawn counts it
	// up; a test notices.
	Drawing = 8
)

// ParseSeed reads a seed, alone or with the version of the drawing that it is for, as in 47@1. A seed for another
// version would replay something else, and is an error.
func ParseSeed(text string) (uint64, error) {
	number, version, versioned := strings.Cut(text, "@")
	seed, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no seed: a number, or a number and a version as in 47@%d", text, Drawing)
	}
	if !versioned {
		return seed, nil
	}
	v, err := strconv.Atoi(version)
	switch {
	case err != nil || v < 1:
		return 0, fmt.Errorf("%q is no seed: %q is no version of the drawing; this one is %d", text, version, Drawing)
	case v != Drawing:
		return 0, fmt.Errorf("seed %s is for version %d of the drawing and this is version %d, which draws something else "+
			"from it: replay it with an Ottla of its time, and have that write the plan (--write-plan), which lasts",
			number, v, Drawing)
	}
	return seed, nil
}

// SeedText is a seed with the version of the drawing.
func SeedText(seed uint64) string {
	return strconv.FormatUint(seed, 10) + "@" + strconv.Itoa(Drawing)
}
