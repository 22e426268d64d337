package config

// nearest finds the setting whose name is the fewest edits away, if it is near enough to be a slip of the pen.
func nearest(name string, table []Setting) (string, bool) {
	best, bestDistance := "", max(2, len(name)/3)+1
	for i := range table {
		candidate := &table[i]
		if candidate.origin == Internal || abs(len(candidate.name)-len(name)) >= bestDistance {
			continue
		}
		if d := distance(name, candidate.name); d < bestDistance {
			best, bestDistance = candidate.name, d
		}
	}
	return best, best != ""
}

// distance counts the single-byte insertions, deletions and replacements that turn a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := diagonal
			if a[i-1] != b[j-1] {
				replaced++
			}
			diagonal = row[j]
			row[j] = min(replaced, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
