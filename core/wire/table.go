package wire

// The table. Ranges start at the oldest version with record batches of format 2 (Produce 3, Fetch 4), and for the admin
// and group APIs at the oldest version whose meaning today's one covers; Kafka 4 itself starts later for some of them
// (KIP-896). Left out below the floor: ListOffsets 0 (many offsets per partition), OffsetCommit 0-1 and OffsetFetch 0
// (offsets in ZooKeeper, timestamps per partition), OffsetForLeaderEpoch 0-1 (no epoch in the answer or no fencing),
// AlterPartition 0-1 (topic names instead of ids), WriteTxnMarkers 0.
//
// The last column is the request's schema, in the notation of schema.go. The facts are those of Kafka's message
// definitions (clients/src/main/resources/common/message); the fields stand in kmsg's order, because the budget adds up
// the sizes of kmsg's structs.

// byKey holds the rows by key; keys that the table does not know are nil.
//
//core:table
var byKey = compileTable([]API{
	{Key: Produce, Name: "Produce", Min: 3, Max: 13, Flexible: 9, Class: ClassClient,
		schema: `s?:3+ h i [s:0-12 u:13+ [i d?]]`},
	{Key: Fetch, Name: "Fetch", Min: 4, Max: 18, Flexible: 12, Class: ClassClient,
		schema: `#0s?:12+ i:0-14 #1(i l):15+ i i i:3+ b:4+ i:7+ i:7+
			[s:0-12 u:13+ [i i:9+ l i:12+ l:5+ i #0u:17+ #1l:18+]] [s:7-12 u:13+ [=i]]:7+ s:11+`},
	{Key: ListOffsets, Name: "ListOffsets", Min: 1, Max: 11, Flexible: 6, Class: ClassClient,
		schema: `i b:2+ [s [i i:4+ l i:0-0]] i:10+`},
	{Key: Metadata, Name: "Metadata", Min: 0, Max: 13, Flexible: 9, Class: ClassClient,
		schema: `[u:10+ s?@10]?@1 b:4+ b:8-10 b:8+`},
	{Key: OffsetCommit, Name: "OffsetCommit", Min: 2, Max: 10, Flexible: 8, Class: ClassClient,
		schema: `s i:1+ s:1+ s?:7+ l:2-4 [s:0-9 u:10+ [i l l:1-1 i:6+ s?]]`},
	{Key: OffsetFetch, Name: "OffsetFetch", Min: 1, Max: 10, Flexible: 6, Class: ClassClient,
		schema: `s:0-7 [s [=i]]?@2:0-7 [s s?:9+ i:9+ [s:8-9 u:10+ [=i]]?]:8+ b:7+`},
	{Key: FindCoordinator, Name: "FindCoordinator", Min: 0, Max: 6, Flexible: 3, Class: ClassClient,
		schema: `s:0-3 b:1+ [=s]:4+`},
	{Key: JoinGroup, Name: "JoinGroup", Min: 0, Max: 9, Flexible: 6, Class: ClassClient,
		schema: `s i i:1+ s s?:5+ s [s d] s?:8+`},
	{Key: Heartbeat, Name: "Heartbeat", Min: 0, Max: 4, Flexible: 4, Class: ClassClient,
		schema: `s i s s?:3+`},
	{Key: LeaveGroup, Name: "LeaveGroup", Min: 0, Max: 5, Flexible: 4, Class: ClassClient,
		schema: `s s:0-2 [s s? s?:5+]:3+`},
	{Key: SyncGroup, Name: "SyncGroup", Min: 0, Max: 5, Flexible: 4, Class: ClassClient,
		schema: `s i s s?:3+ s?:5+ s?:5+ [s d]`},
	{Key: DescribeGroups, Name: "DescribeGroups", Min: 0, Max: 6, Flexible: 5, Class: ClassClient,
		schema: `[=s] b:3+`},
	{Key: ListGroups, Name: "ListGroups", Min: 0, Max: 5, Flexible: 3, Class: ClassClient,
		schema: `[=s]:4+ [=s]:5+`},
	{Key: ApiVersions, Name: "ApiVersions", Min: 0, Max: 5, Flexible: 3, Class: ClassClient,
		schema: `s:3+ s:3+ s?:5+ i:5+`},
	{Key: CreateTopics, Name: "CreateTopics", Min: 0, Max: 7, Flexible: 5, Class: ClassClient,
		schema: `[s i h [i [=i]] [s s?]] i b:1+`},
	{Key: DeleteTopics, Name: "DeleteTopics", Min: 0, Max: 6, Flexible: 4, Class: ClassClient,
		schema: `[=s]:0-5 [s? u]:6+ i`},
	{Key: DeleteRecords, Name: "DeleteRecords", Min: 0, Max: 2, Flexible: 2, Class: ClassClient,
		schema: `[s [i l]] i`},
	{Key: InitProducerID, Name: "InitProducerId", Min: 0, Max: 5, Flexible: 2, Class: ClassClient,
		schema: `s? i l:3+ h:3+`},
	{Key: OffsetForLeaderEpoch, Name: "OffsetForLeaderEpoch", Min: 2, Max: 4, Flexible: 4, Class: ClassClient,
		schema: `i:3+ [s [i i:2+ i]]`},
	{Key: WriteTxnMarkers, Name: "WriteTxnMarkers", Min: 1, Max: 2, Flexible: 1, Class: ClassBroker,
		schema: `[l h b [s [=i]] i b:2+]`},
	{Key: DescribeConfigs, Name: "DescribeConfigs", Min: 0, Max: 4, Flexible: 4, Class: ClassClient,
		schema: `[b s [=s]?] b:1+ b:3+`},
	{Key: AlterConfigs, Name: "AlterConfigs", Min: 0, Max: 2, Flexible: 2, Class: ClassClient,
		schema: `[b s [s s?]] b`},
	{Key: DescribeLogDirs, Name: "DescribeLogDirs", Min: 0, Max: 5, Flexible: 2, Class: ClassClient,
		schema: `[s [=i]]?`},
	{Key: CreatePartitions, Name: "CreatePartitions", Min: 0, Max: 3, Flexible: 2, Class: ClassClient,
		schema: `[s i [[=i]]?] i b`},
	{Key: DeleteGroups, Name: "DeleteGroups", Min: 0, Max: 3, Flexible: 2, Class: ClassClient,
		schema: `[=s]`},
	{Key: ElectLeaders, Name: "ElectLeaders", Min: 0, Max: 2, Flexible: 2, Class: ClassClient,
		schema: `b:1+ [s [=i]]? i`},
	{Key: IncrementalAlterConfigs, Name: "IncrementalAlterConfigs", Min: 0, Max: 1, Flexible: 1, Class: ClassClient,
		schema: `[b s [s b s?]] b`},
	{Key: AlterPartitionReassignments, Name: "AlterPartitionReassignments", Min: 0, Max: 1, Flexible: 0,
		Class: ClassClient, schema: `i b:1+ [s [i [=i]?]]`},
	{Key: ListPartitionReassignments, Name: "ListPartitionReassignments", Min: 0, Max: 0, Flexible: 0,
		Class: ClassClient, schema: `i [s [=i]]?`},
	{Key: OffsetDelete, Name: "OffsetDelete", Min: 0, Max: 0, Flexible: neverFlexible, Class: ClassClient,
		schema: `s [s [i]]`},
	{Key: Vote, Name: "Vote", Min: 0, Max: 2, Flexible: 0, Class: ClassRaft,
		schema: `s? i:1+ [s [i i i u:1+ u:1+ i l b:2+]]`},
	{Key: BeginQuorumEpoch, Name: "BeginQuorumEpoch", Min: 0, Max: 1, Flexible: 1, Class: ClassRaft,
		schema: `s? i:1+ [s [i u:1+ i i]] [s s h]:1+`},
	{Key: EndQuorumEpoch, Name: "EndQuorumEpoch", Min: 0, Max: 1, Flexible: 1, Class: ClassRaft,
		schema: `s? [s [i i i [=i]:0-0 [i u]:1+]] [s s h]:1+`},
	{Key: DescribeQuorum, Name: "DescribeQuorum", Min: 0, Max: 2, Flexible: 0, Class: ClassClient,
		schema: `[s [i]]`},
	{Key: AlterPartition, Name: "AlterPartition", Min: 2, Max: 3, Flexible: 0, Class: ClassBroker,
		schema: `i l [s:0-1 u:2+ [i i [=i]:0-2 [i l]:3+ b:1+ i]]`},
	{Key: UpdateFeatures, Name: "UpdateFeatures", Min: 0, Max: 2, Flexible: 0, Class: ClassClient,
		schema: `i [s h b:0-0 b:1+] b:1+`},
	{Key: FetchSnapshot, Name: "FetchSnapshot", Min: 0, Max: 1, Flexible: 0, Class: ClassRaft,
		schema: `#0s?:0+ i i [s [i i (l i) l #0u:1+]]`},
	{Key: DescribeCluster, Name: "DescribeCluster", Min: 0, Max: 2, Flexible: 0, Class: ClassClient,
		schema: `b b:1+ b:2+`},
	{Key: DescribeProducers, Name: "DescribeProducers", Min: 0, Max: 0, Flexible: 0, Class: ClassClient,
		schema: `[s [=i]]`},
	{Key: BrokerRegistration, Name: "BrokerRegistration", Min: 0, Max: 4, Flexible: 0, Class: ClassBroker,
		schema: `i s u [s s h h] [s h h] s? b:1+ [=u]:2+ l:3+`},
	{Key: BrokerHeartbeat, Name: "BrokerHeartbeat", Min: 0, Max: 2, Flexible: 0, Class: ClassBroker,
		schema: `i l l b b #0[=u]:1+ #1[=u]?:2+`},
	{Key: UnregisterBroker, Name: "UnregisterBroker", Min: 0, Max: 0, Flexible: 0, Class: ClassClient,
		schema: `i`},
	{Key: AllocateProducerIDs, Name: "AllocateProducerIds", Min: 0, Max: 0, Flexible: 0, Class: ClassBroker,
		schema: `i l`},
	{Key: AssignReplicasToDirs, Name: "AssignReplicasToDirs", Min: 0, Max: 0, Flexible: 0, Class: ClassBroker,
		schema: `i l [u [u [i]]]`},
	{Key: ListConfigResources, Name: "ListConfigResources", Min: 0, Max: 1, Flexible: 0, Class: ClassClient,
		schema: `[=b]:1+`},
	{Key: DescribeTopicPartitions, Name: "DescribeTopicPartitions", Min: 0, Max: 0, Flexible: 0, Class: ClassClient,
		schema: `[s] i (s i)?`},
	{Key: AddRaftVoter, Name: "AddRaftVoter", Min: 0, Max: 1, Flexible: 0, Class: ClassClient,
		schema: `s? i i u [s s h] b:1+`},
	{Key: RemoveRaftVoter, Name: "RemoveRaftVoter", Min: 0, Max: 0, Flexible: 0, Class: ClassClient,
		schema: `s? i u`},
	{Key: UpdateRaftVoter, Name: "UpdateRaftVoter", Min: 0, Max: 0, Flexible: 0, Class: ClassRaft,
		schema: `s? i i u [s s h] (h h)`},
})

// compileTable compiles every row's schema for every version that is served.
func compileTable(rows []API) *[maxKey + 1]*API {
	var table [maxKey + 1]*API
	for i := range rows {
		api := &rows[i]
		fields := parseSchema(api.schema)
		for version := api.Min; version <= api.Max; version++ {
			c := compiler{version: version, flexible: api.IsFlexible(version), hasTags: api.Flexible != neverFlexible}
			api.programs = append(api.programs, c.compile(fields))
		}
		if table[api.Key] != nil {
			panic("wire: two rows for " + api.Name)
		}
		table[api.Key] = api
	}
	compileResponses(&table)
	return &table
}
