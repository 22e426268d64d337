package metadata

// tree is a persistent ordered map: an AVL tree whose nodes never change once made. Inserting and deleting copy the
// path from the root to the key, about 1.44 log2(n) nodes, and share the rest with the tree before. It is sorted by
// key, so walking it is deterministic. The zero tree is empty.
type tree[K ordered[K], V any] struct {
	root *node[K, V]
	size int
}

// ordered is a key with a total order; Compare is negative, zero or positive.
type ordered[K any] interface {
	Compare(K) int
}

// Invariants: left < key < right; the heights of left and right differ by at most 1; height is 1 + the greater.
type node[K ordered[K], V any] struct {
	left, right *node[K, V]
	height      int
	key         K
	value       V
}

func (t tree[K, V]) get(key K) (v V, ok bool) {
	n := t.root
	for n != nil {
		switch c := key.Compare(n.key); {
		case c == 0:
			return n.value, true
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return v, false
}

func (t tree[K, V]) insert(key K, value V) tree[K, V] {
	root, added := insert(t.root, key, value)
	if added {
		return tree[K, V]{root, t.size + 1}
	}
	return tree[K, V]{root, t.size}
}

func (t tree[K, V]) remove(key K) tree[K, V] {
	if _, ok := t.get(key); !ok {
		return t
	}
	return tree[K, V]{remove(t.root, key), t.size - 1}
}

// each calls yield in ascending order of keys until it returns false; it reports whether it never did.
func (t tree[K, V]) each(yield func(K, V) bool) bool { return each(t.root, yield) }

// from is each, beginning at the first key that is not less than key.
func (t tree[K, V]) from(key K, yield func(K, V) bool) bool { return from(t.root, key, yield) }

func each[K ordered[K], V any](n *node[K, V], yield func(K, V) bool) bool {
	return n == nil || each(n.left, yield) && yield(n.key, n.value) && each(n.right, yield)
}

func from[K ordered[K], V any](n *node[K, V], key K, yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	if key.Compare(n.key) > 0 {
		return from(n.right, key, yield)
	}
	return from(n.left, key, yield) && yield(n.key, n.value) && each(n.right, yield)
}

func insert[K ordered[K], V any](n *node[K, V], key K, value V) (_ *node[K, V], added bool) {
	if n == nil {
		return &node[K, V]{height: 1, key: key, value: value}, true
	}
	switch c := key.Compare(n.key); {
	case c == 0:
		return &node[K, V]{n.left, n.right, n.height, n.key, value}, false
	case c < 0:
		left, added := insert(n.left, key, value)
		return balance(left, n, n.right), added
	default:
		right, added := insert(n.right, key, value)
		return balance(n.left, n, right), added
	}
}

// remove needs key to be in the tree under n.
func remove[K ordered[K], V any](n *node[K, V], key K) *node[K, V] {
	switch c := key.Compare(n.key); {
	case c < 0:
		return balance(remove(n.left, key), n, n.right)
	case c > 0:
		return balance(n.left, n, remove(n.right, key))
	case n.left == nil:
		return n.right
	case n.right == nil:
		return n.left
	}
	next := n.right
	for next.left != nil {
		next = next.left
	}
	return balance(n.left, next, remove(n.right, next.key))
}

func height[K ordered[K], V any](n *node[K, V]) int {
	if n == nil {
		return 0
	}
	return n.height
}

// join makes a node of the key and value of at, over two subtrees whose heights differ by at most 1.
func join[K ordered[K], V any](left, at, right *node[K, V]) *node[K, V] {
	return &node[K, V]{left, right, 1 + max(height(left), height(right)), at.key, at.value}
}

// balance is join for heights that differ by at most 2, the most that one insertion or removal causes.
func balance[K ordered[K], V any](left, at, right *node[K, V]) *node[K, V] {
	switch d := height(left) - height(right); {
	case d > 1:
		if height(left.left) >= height(left.right) {
			return join(left.left, left, join(left.right, at, right))
		}
		middle := left.right
		return join(join(left.left, left, middle.left), middle, join(middle.right, at, right))
	case d < -1:
		if height(right.right) >= height(right.left) {
			return join(join(left, at, right.left), right, right.right)
		}
		middle := right.left
		return join(join(left, at, middle.left), middle, join(middle.right, right, right.right))
	}
	return join(left, at, right)
}

// diff calls change for every key whose value differs between two trees, in ascending order, with the values before and
// after and whether there was and is one. Subtrees that the two share are skipped unseen, so trees that are a few
// insertions apart cost a few paths, not their size.
func diff[K ordered[K], V comparable](a, b *node[K, V], change func(k K, before, after V, had, has bool)) {
	switch {
	case a == b:
		return
	case a == nil:
		each(b, func(k K, v V) bool { var none V; change(k, none, v, false, true); return true })
		return
	case b == nil:
		each(a, func(k K, v V) bool { var none V; change(k, v, none, true, false); return true })
		return
	}
	less, at, greater := split(a, b.key)
	diff(less, b.left, change)
	switch {
	case at == nil:
		var none V
		change(b.key, none, b.value, false, true)
	case at.value != b.value:
		change(b.key, at.value, b.value, true, true)
	}
	diff(greater, b.right, change)
}

// split parts a tree at key. The parts are ordered but not balanced: they serve diff alone. Subtrees off the path are
// shared.
func split[K ordered[K], V any](n *node[K, V], key K) (less, at, greater *node[K, V]) {
	if n == nil {
		return nil, nil, nil
	}
	switch c := key.Compare(n.key); {
	case c == 0:
		return n.left, n, n.right
	case c < 0:
		less, at, greater = split(n.left, key)
		return less, at, &node[K, V]{left: greater, right: n.right, key: n.key, value: n.value}
	default:
		less, at, greater = split(n.right, key)
		return &node[K, V]{left: n.left, right: less, key: n.key, value: n.value}, at, greater
	}
}
