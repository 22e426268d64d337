package config

// nearest finds the setting whose name is the fewest edits away, if it is near enough to be a slip of the pen.
func nearest(name string, table []Setting) (string, bool) {
	best, limit := "", max(2, len(name)/3)+1
	for i := range table {
		candidate := &table[i]
		if candidate.origin == Internal {
			continue
		}
		if d := distance(name, candidate.name, limit); d < limit {
			best, limit = candidate.name, d
		}
	}
	return best, best != ""
}

// distance counts the single-byte insertions, deletions and replacements that turn a into b (Levenshtein). It gives up
// and answers limit as soon as it cannot be less.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal, least := row[0], i
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := diagonal
			if a[i-1] != b[j-1] {
				replaced++
			}
			diagonal = row[j]
			row[j] = min(replaced, row[j]+1, row[j-1]+1)
			least = min(least, row[j])
		}
		if least >= limit {
			return limit
		}
	}
	return min(row[len(b)], limit)
}
