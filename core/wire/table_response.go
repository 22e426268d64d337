package wire

// responseSchema is the shape of an API's response, in the notation of schema.go.
type responseSchema struct {
	key    Key
	schema string
}

// responseSchemas are those of the APIs that nodes ask each other. As with requests the fields stand in kmsg's order,
// and what is tagged in some version comes where kmsg has it.
//
//core:table
var responseSchemas = []responseSchema{
	{Fetch, `i h:7+ i:7+ [s:0-12 u:13+ [i h l l l:5+ #0(i l):12+ #1(i i):12+ #2(l i):12+ [l l]? i:11+ d?]]
		#0[i s i s?]:16+`},
	{ApiVersions, `h [h h h] i:1+ #0[s h h]:3+ #1l:3+ #2[s h h]:3+ #3b:3+`},
	{CreateTopics, `i:2+ [s u:7+ h s?:1+ #0h:5+ i:5+ h:5+ [s s? b b b]?:5+]`},
	{DeleteTopics, `i:1+ [s?@6 u:6+ h s?:5+]`},
	{CreatePartitions, `i [s h s?]`},
	{AlterConfigs, `i [h s? b s]`},
	{IncrementalAlterConfigs, `i [h s? b s]`},
	{ElectLeaders, `i h:1+ [s [i h s?]]`},
	{AlterPartitionReassignments, `i b:1+ h s? [s [i h s?]]`},
	{ListPartitionReassignments, `i h s? [s [i [=i] [=i] [=i]]]`},
	{Vote, `h [s [i h i i b]] #0[i s h]:1+`},
	{BeginQuorumEpoch, `h [s [i h i i]] #0[i s h]:1+`},
	{EndQuorumEpoch, `h [s [i h i i]] #0[i s h]:1+`},
	{DescribeQuorum, `h s?:2+ [s [i h s?:2+ i i l [i u:2+ l l:1+ l:1+] [i u:2+ l l:1+ l:1+]]] [i [s s h]]:2+`},
	{AlterPartition, `i h [s:0-1 u:2+ [i h i i [=i] b:1+ i]]`},
	{UpdateFeatures, `i h s? [s h s?]:0-1`},
	{FetchSnapshot, `i h [s [i h (l i) #0(i i) l l d]] #0[i s h]:1+`},
	{DescribeCluster, `i h s? b:1+ s i [i s i s? b:2+] i`},
	{BrokerRegistration, `i h l`},
	{BrokerHeartbeat, `i h b b b`},
	{UnregisterBroker, `i h s?`},
	{AllocateProducerIDs, `i h l i`},
	{AssignReplicasToDirs, `i h [u [u [i h]]]`},
	{AddRaftVoter, `i h s?`},
	{RemoveRaftVoter, `i h s?`},
	{UpdateRaftVoter, `i h #0(i i s i)`},
}

// compileResponses compiles the schemas of responses into the rows of their APIs.
func compileResponses(table *[maxKey + 1]*API) {
	for _, r := range responseSchemas {
		api, fields := table[r.key], parseSchema(r.schema)
		for version := api.Min; version <= api.Max; version++ {
			c := compiler{version: version, flexible: api.IsFlexible(version), hasTags: api.Flexible != neverFlexible}
			api.replies = append(api.replies, c.compile(fields))
		}
	}
}

// Answered reports whether nodes ask each other this API, so that its responses can be decoded.
func (a *API) Answered() bool { return a.replies != nil }
