// kafkajs: producer with keys, headers and compression; consumer group; administration.

const assert = require('node:assert/strict')
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs')
const SnappyCodec = require('kafkajs-snappy')

CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec

const [bootstrap, prefix] = process.argv.slice(2)
const brokers = Number(process.env.INTEROP_BROKERS || 1)
const replicationFactor = Math.min(brokers, 3)
const kafka = new Kafka({ clientId: 'interop', brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
const topic = `${prefix}-clicks`
const partitions = 3
const total = 90

const ok = step => console.log('ok:', step)

// until waits for the condition and says what did not come.
async function until(condition, what, seconds = 15) {
  const deadline = Date.now() + seconds * 1000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} seconds`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function createTopics(admin) {
  const wanted = {
    topics: [{ topic, numPartitions: partitions, replicationFactor, configEntries: [{ name: 'retention.ms', value: '3600000' }] }],
    waitForLeaders: true,
  }
  assert.equal(await admin.createTopics(wanted), true)
  assert.equal(await admin.createTopics(wanted), false, 'a second creation creates nothing')
  await until(async () => (await admin.listTopics()).includes(topic), 'the new topic')
  const metadata = await admin.fetchTopicMetadata({ topics: [topic] })
  assert.equal(metadata.topics[0].partitions.length, partitions)
  ok('admin: create, list and describe topics')

  const cluster = await admin.describeCluster()
  assert.equal(cluster.brokers.length, brokers)
  ok('admin: describeCluster')

  const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic }]
  const entries = (await admin.describeConfigs({ resources })).resources[0].configEntries
  assert.equal(entries.find(entry => entry.configName === 'retention.ms').configValue, '3600000')
  await admin.alterConfigs({
    resources: [{ ...resources[0], configEntries: [{ name: 'retention.ms', value: '60000' }] }],
  })
  const altered = (await admin.describeConfigs({ resources })).resources[0].configEntries
  assert.equal(altered.find(entry => entry.configName === 'retention.ms').configValue, '60000')
  ok('admin: describe and alter configs')
}

async function produce() {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const codecs = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy }
  let n = 0
  for (const compression of Object.values(codecs)) {
    const messages = Array.from({ length: total / 3 }, () => ({
      key: `key ${n}`,
      value: `value ${n}`,
      headers: { trace: `${n}` },
      partition: n++ % partitions,
    }))
    const places = await producer.send({ topic, messages, compression, acks: -1 })
    assert.deepEqual(places.map(place => place.errorCode), places.map(() => 0))
    assert.equal(places.length, partitions, 'an answer a partition')
  }
  await producer.disconnect()
  ok(`idempotent producer, compression ${Object.keys(codecs).join(', ')}`)
}

async function consume(admin) {
  const groupId = `${prefix}-group`
  const seen = new Map()
  const consumers = []
  const owned = new Map()

  async function join(number) {
    const consumer = kafka.consumer({ groupId, heartbeatInterval: 300, sessionTimeout: 10000, maxWaitTimeInMs: 300 })
    consumers.push(consumer)
    consumer.on(consumer.events.GROUP_JOIN, event => {
      owned.set(number, event.payload.memberAssignment[topic] ?? [])
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        seen.set(`${partition}/${message.offset}`, message)
      },
    })
  }

  await join(0)
  await until(() => seen.size === total, 'every message')
  for (const message of seen.values()) {
    const n = message.value.toString().slice('value '.length)
    assert.equal(message.key.toString(), `key ${n}`)
    assert.equal(message.headers.trace.toString(), n)
  }
  ok('one member reads everything, with keys and headers')

  await join(1)
  await until(() => {
    const all = [...owned.values()].flat().sort()
    return owned.size === 2 && owned.get(1).length > 0 && String(all) === '0,1,2'
  }, 'two members that share the partitions')
  ok('a second member takes its share')

  const described = (await admin.describeGroups([groupId])).groups[0]
  assert.equal(described.state, 'Stable')
  assert.equal(described.members.length, 2)
  assert.ok((await admin.listGroups()).groups.some(group => group.groupId === groupId))
  await Promise.all(consumers.map(consumer => consumer.disconnect()))

  const [{ partitions: offsets }] = await admin.fetchOffsets({ groupId, topics: [topic] })
  assert.deepEqual(offsets.map(o => Number(o.offset)), offsets.map(() => total / partitions))
  const ends = await admin.fetchTopicOffsets(topic)
  assert.deepEqual(ends.map(end => Number(end.high)), ends.map(() => total / partitions))
  ok('admin: describe and list groups, fetch offsets; everything was committed')

  await admin.resetOffsets({ groupId, topic, earliest: true })
  const [{ partitions: reset }] = await admin.fetchOffsets({ groupId, topics: [topic], resolveOffsets: true })
  assert.deepEqual(reset.map(o => Number(o.offset)), reset.map(() => 0))
  ok('admin: reset offsets')

  await admin.deleteGroups([groupId])
  assert.ok(!(await admin.listGroups()).groups.some(group => group.groupId === groupId))
  ok('admin: delete groups')
}

async function alterAndDelete(admin) {
  await admin.createPartitions({ topicPartitions: [{ topic, count: partitions + 1 }] })
  await until(
    async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === partitions + 1,
    'one more partition'
  )
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '5' }] })
  const zero = (await admin.fetchTopicOffsets(topic)).find(entry => entry.partition === 0)
  assert.equal(zero.low, '5')
  ok('admin: create partitions, delete records')

  await admin.deleteTopics({ topics: [topic] })
  await until(async () => !(await admin.listTopics()).includes(topic), 'the topic is gone')
  ok('admin: delete topics')
}

async function autoCreate() {
  const producer = kafka.producer()
  await producer.connect()
  const [place] = await producer.send({ topic: `${prefix}-auto`, messages: [{ value: 'first' }] })
  assert.equal(place.baseOffset, '0')
  await producer.disconnect()
  ok('a topic that comes into being by being written to')
}

async function main() {
  const admin = kafka.admin()
  await admin.connect()
  await createTopics(admin)
  await produce()
  await consume(admin)
  await alterAndDelete(admin)
  await autoCreate()
  await admin.disconnect()
}

main().then(
  () => process.exit(0),
  error => {
    console.error('FAILED:', error)
    process.exit(1)
  }
)
