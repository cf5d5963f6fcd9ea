/** What is measured: each workload makes, of the peers that are there, the candidates that it runs. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { ours } from './peers.js'
import { treeWorkloads } from './trees.js'

/**
 * @typedef {import('./peers.js').Peer} Peer
 * @typedef {import('./measure.js').Task} Task
 */

/**
 * @typedef {object} Candidate
 * @property {string} id
 * @property {string} label
 * @property {string} promises
 * @property {number | null} bytes       what it moves; null where only the time matters
 * @property {Task} task
 * @property {() => void} [before]       what must be done before each run, unmeasured
 * @property {() => string | null} [check]  what is wrong with the result, looked at after each run, unmeasured
 */

/**
 * @typedef {object} Setup
 * @property {string} work       a folder in memory, for everything but `disk`
 * @property {string | null} disk  a folder on a real disk, if there is one
 * @property {string} source     the file to send, in memory
 * @property {number} size       its bytes
 * @property {string} small      a file of 1 KB
 * @property {string} part       the first hundredth of `source`
 * @property {Peer[]} peers      the others that are there
 */

/**
 * @typedef {object} Workload
 * @property {string} title
 * @property {{ id: string, title: string, isBaseFirst: boolean }} ratio  whom the others are compared with, and how round
 * @property {number} [times]    how many times the rounds are multiplied
 * @property {(setup: Setup) => Candidate[]} candidates
 */

const NONE = '–'
const OURS_TO_PEER = { id: 'ours', title: 'ours / peer', isBaseFirst: true }

/** How many senders `many` starts at once. */
export const MANY = 100

/** @type {Record<string, Workload>} */
export const workloads = {
  file: {
    title: 'One file, memory to memory',
    ratio: OURS_TO_PEER,
    candidates: (setup) => withFile(setup).map((peer) => fileCandidate(peer, setup, setup.work, false)),
  },
  disk: {
    title: 'One file, memory to disk, fsync included',
    ratio: OURS_TO_PEER,
    candidates(setup) {
      const { disk } = setup
      if (disk === null) return []
      const candidates = withFile(setup).map((peer) => fileCandidate(peer, setup, disk, true))
      return [...candidates, diskReference(setup, disk)]
    },
  },
  pipe: {
    title: 'Standard input to standard output',
    ratio: OURS_TO_PEER,
    candidates: (setup) => [ours, ...setup.peers].flatMap((peer) => (peer.pipe ? [pipeCandidate(peer, setup)] : [])),
  },
  small: {
    title: "A file of 1 KB: the sender's process, start to finish",
    ratio: OURS_TO_PEER,
    times: 4,
    candidates(setup) {
      const small = { ...setup, source: setup.small, size: 1024 }
      const senders = withFile(small).filter(({ id }) => ['ours', 'open', 'nc'].includes(id))
      const plain = { promises: NONE, bytes: null }
      return [
        ...senders.map((peer) => {
          const candidate = fileCandidate(peer, small, setup.work, false)
          return { ...candidate, bytes: null, task: { ...candidate.task, isSenderOnly: true } }
        }),
        { ...plain, id: 'node', label: 'node -e 0', task: { sender: 'exec "$NODE" -e 0', env: {} } },
        ...['tcp-send', 'tcp-recv'].map((command) => ({
          ...plain,
          id: `${command}-help`,
          label: `${command} --help`,
          task: { sender: `exec "$NODE" bin/${command}.js --help`, env: {} },
        })),
      ]
    },
  },
  many: {
    title: `${MANY} senders at once to one receiver, the same bytes in all`,
    ratio: { id: 'one', title: 'of one sender', isBaseFirst: false },
    candidates: (setup) => [
      { ...fileCandidate(ours, setup, setup.work, false), id: 'one', label: 'one sender, one file' },
      manyCandidate(setup, 'connections', `${MANY} connections of one process`, connections),
      manyCandidate(setup, 'processes', `${MANY} processes`, processes),
    ],
  },
  ...treeWorkloads,
}

/** @param {Setup} setup */
function withFile(setup) {
  return [ours, ...setup.peers].filter((peer) => peer.file)
}

/**
 * Where a transfer goes, and the emptying of it.
 * @param {Setup} setup @param {string} place
 */
function destination({ work, source }, place) {
  const folder = join(place, 'received')
  const target = join(folder, 'data.bin')
  const env = { SOURCE: source, FOLDER: folder, TARGET: target, WORK: work, USER_NAME: userInfo().username }
  const before = () => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder)
  }
  return { folder, target, env, before }
}

/**
 * @param {Peer} peer @param {Setup} setup @param {string} place
 * @param {boolean} isSynced  whether the file must be durable at the end: the peers' own way, or `sync` after them
 * @returns {Candidate}
 */
function fileCandidate(peer, setup, place, isSynced) {
  const { target, env, before } = destination(setup, place)
  const [sender, receiver] = /** @type {[string, string]} */ (peer.file)
  const isMissing = isSynced && !peer.isDurable
  const synced = (/** @type {string} */ line) => `${line} && sync "$TARGET"`
  return {
    ...pick(peer),
    bytes: setup.size,
    task: {
      // A daemon stays, so what follows its transfer can only follow the sender.
      sender: isMissing && peer.isDaemon ? synced(sender) : `exec ${sender}`,
      receiver: isMissing && !peer.isDaemon ? synced(receiver) : `exec ${receiver}`,
      isDaemon: peer.isDaemon ?? false,
      env,
    },
    before() {
      before()
      // Nobody is to wait for what others have left to be written.
      if (isSynced) spawnSync('sync', ['-f', place])
    },
    check: () => compare(setup.source, target),
  }
}

/** @param {Setup} setup @param {string} place @returns {Candidate} */
function diskReference(setup, place) {
  const { target, env, before } = destination(setup, place)
  return {
    id: 'dd',
    label: 'dd bs=1M conv=fsync (no network)',
    promises: 'durable',
    bytes: setup.size,
    task: { sender: 'exec dd if="$SOURCE" of="$TARGET" bs=1M conv=fsync', env },
    before() {
      before()
      spawnSync('sync', ['-f', place])
    },
    check: () => compare(setup.source, target),
  }
}

/**
 * `cat` before the sender; after the receiver `dd`, which is a `cat >/dev/null` that counts.
 * @param {Peer} peer @param {Setup} setup @returns {Candidate}
 */
function pipeCandidate(peer, setup) {
  const { folder, env, before } = destination(setup, setup.work)
  const [sender, receiver] = /** @type {[string, string]} */ (peer.pipe)
  const count = join(folder, 'count')
  return {
    ...pick(peer),
    bytes: setup.size,
    task: {
      sender: `cat "$SOURCE" | ${sender}`,
      receiver: `${receiver} | dd bs=1M of=/dev/null 2>"$COUNT"`,
      env: { ...env, COUNT: count },
    },
    before,
    check() {
      const counted = existsSync(count) ? /^(\d+) bytes?/m.exec(readFileSync(count, 'utf8')) : null
      return compareSizes(setup.size, Number(counted?.[1] ?? 0))
    },
  }
}

const connections = `exec "$NODE" bench/send-many.js "$SOURCE" $PORT ${MANY}`
const processes = `for i in $(seq ${MANY}); do "$NODE" bin/tcp-send.js --quiet --name f$i "$SOURCE" 127.0.0.1 $PORT & done; wait`

/**
 * @param {Setup} setup @param {string} id @param {string} label @param {string} sender
 * @returns {Candidate}
 */
function manyCandidate(setup, id, label, sender) {
  const { folder, env, before } = destination({ ...setup, source: setup.part }, setup.work)
  const receiver = `exec "$NODE" bin/tcp-recv.js --port $PORT --json --count ${MANY} --out "$FOLDER" --host 127.0.0.1`
  return {
    ...pick(ours),
    id,
    label,
    bytes: statSync(setup.part).size * MANY,
    task: { sender, receiver, env },
    before,
    check() {
      const names = readdirSync(folder).filter((name) => /^f\d+$/.test(name))
      if (names.length !== MANY) return `stored ${names.length} of ${MANY} files`
      return names.map((name) => compare(setup.part, join(folder, name))).find((problem) => problem !== null) ?? null
    },
  }
}

/** @param {Peer} peer */
function pick({ id, label, promises }) {
  return { id, label, promises }
}

/** @param {string} source @param {string} target @returns {string | null} */
function compare(source, target) {
  if (!existsSync(target)) return 'stored nothing'
  const problem = compareSizes(statSync(source).size, statSync(target).size)
  if (problem) return problem
  const { status, error, signal } = spawnSync('cmp', ['-s', source, target])
  if (status === 0) return null
  return status === 1 ? 'other bytes than were sent' : `cmp failed: ${error?.message ?? signal ?? status}`
}

/** @param {number} sent @param {number} received @returns {string | null} */
function compareSizes(sent, received) {
  if (received === sent) return null
  return received < sent ? `lost ${sent - received} bytes` : `${received - sent} bytes too many`
}
