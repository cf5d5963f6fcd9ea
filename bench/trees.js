/** The workloads that send a directory. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'

/**
 * @typedef {import('./workloads.js').Candidate} Candidate
 * @typedef {import('./workloads.js').Setup} Setup
 */

/**
 * @typedef {object} Tree
 * @property {string} name
 * @property {number} files
 * @property {[least: number, most: number]} bytes  of each file
 */

/** @type {Record<string, Tree>} */
const trees = {
  small: { name: 'tree-small', files: 10_000, bytes: [200, 8_000] },
  large: { name: 'tree-large', files: 1_000, bytes: [1_000_000, 1_000_000] },
}

/** A hundred files in each directory. The sizes are the same in every run. */
function makeTree(/** @type {string} */ work, /** @type {Tree} */ { name, files, bytes: [least, most] }) {
  const root = join(work, name)
  const content = readFileSync(process.execPath).subarray(0, 64 * 1024 * 1024)
  let seed = 1
  mkdirSync(root)
  for (let index = 0; index < files; index++) {
    const folder = join(root, `d${Math.floor(index / 100)}`)
    if (index % 100 === 0) mkdirSync(folder)
    seed = (seed * 48_271) % 0x7fffffff
    const size = least + (seed % (most - least + 1))
    const start = seed % (content.length - size)
    writeFileSync(join(folder, `file-${index}.dat`), content.subarray(start, start + size))
  }
  return root
}

/**
 * What each candidate runs: into FOLDER, from TREE, whose last part is NAME.
 * @type {{ id: string, label: string, promises: string, isDurable: boolean, isDaemon: boolean, lines: [string, string] }[]}
 */
const senders = [
  {
    ...{ id: 'ours', label: 'tcp-send / tcp-recv', promises: 'verified + durable', isDurable: true, isDaemon: false },
    lines: [
      'exec "$NODE" bin/tcp-send.js --quiet "$TREE" 127.0.0.1 $PORT',
      'exec "$NODE" bin/tcp-recv.js --quiet --port $PORT --once --out "$FOLDER" --host 127.0.0.1',
    ],
  },
  ...['', '--fsync'].map((option) => ({
    ...{ id: `rsync${option}`, label: `rsync daemon -a ${option}`, promises: 'checksum', isDaemon: true },
    isDurable: option !== '',
    lines: /** @type {[string, string]} */ ([
      `exec rsync -a ${option} "$TREE" rsync://127.0.0.1:$PORT/out/`,
      'exec rsync --daemon --no-detach --config="$WORK/rsyncd.conf" --address=127.0.0.1 --port=$PORT --dparam=path="$FOLDER"',
    ]),
  })),
  {
    ...{ id: 'nc', label: 'tar | nc | tar', promises: 'nothing', isDurable: false, isDaemon: false },
    lines: ['tar -C "$WORK" -c "$NAME" | nc -N 127.0.0.1 $PORT', 'nc -d -l 127.0.0.1 $PORT | tar -C "$FOLDER" -x'],
  },
  {
    ...{ id: 'scp', label: 'scp -r', promises: 'encrypted', isDurable: false, isDaemon: true },
    lines: [
      'exec scp -q -r -F none -i "$WORK/user-key" -P $PORT -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null ' +
        '-o BatchMode=yes -o IdentitiesOnly=yes -o LogLevel=ERROR "$TREE" "$USER_NAME@127.0.0.1:$FOLDER"',
      'exec "$(command -v sshd)" -D -e -f "$WORK/sshd.conf" -o ListenAddress=127.0.0.1:$PORT',
    ],
  },
]

/**
 * @param {Setup} setup @param {Tree} tree @param {string} place
 * @param {boolean} isSynced  true if everything must be durable at the end
 * @returns {Candidate[]}
 */
function candidates(setup, tree, place, isSynced) {
  const root = makeTree(setup.work, tree)
  const env = {
    TREE: root,
    NAME: tree.name,
    FOLDER: join(place, 'received'),
    WORK: setup.work,
    USER_NAME: userInfo().username,
  }
  const present = ['ours', ...setup.peers.map(({ id }) => id)]
  return senders
    .filter(
      ({ id, isDurable }) => present.includes(id.replace('--fsync', '')) && (id === 'ours' || isDurable === isSynced),
    )
    .map(({ id, label, promises, isDaemon, lines: [sender, receiver] }) => ({
      ...{ id, label, promises, bytes: null, task: { sender, receiver, isDaemon, env } },
      before() {
        // For minutes after many files were removed, ext4 takes ten times as long for a new one. So nothing is removed there.
        if (isSynced) env.FOLDER = join(place, `received-${folders++}`)
        else rmSync(env.FOLDER, { recursive: true, force: true })
        mkdirSync(env.FOLDER)
        if (isSynced) spawnSync('sync', ['-f', place])
      },
      check() {
        const { status, stdout } = spawnSync('diff', ['-r', '--no-dereference', root, join(env.FOLDER, tree.name)])
        return status === 0 ? null : `not the same: ${stdout.toString().slice(0, 100)}`
      },
    }))
}

/** The folders that were made on the disk. */
let folders = 0

const OURS_TO_PEER = { id: 'ours', title: 'ours / peer', isBaseFirst: true }

/** @type {Record<string, import('./workloads.js').Workload>} */
export const treeWorkloads = {
  tree: {
    title: '10,000 files of 0.2–8 KB in a directory, memory to memory',
    ratio: OURS_TO_PEER,
    candidates: (setup) => candidates(setup, /** @type {Tree} */ (trees.small), setup.work, false),
  },
  'tree-large': {
    title: '1,000 files of 1 MB in a directory, memory to memory',
    ratio: OURS_TO_PEER,
    candidates: (setup) => candidates(setup, /** @type {Tree} */ (trees.large), setup.work, false),
  },
  'tree-disk': {
    title: '10,000 files of 0.2–8 KB in a directory, memory to disk, durable',
    ratio: OURS_TO_PEER,
    candidates: (setup) =>
      setup.disk === null
        ? []
        : candidates(setup, { .../** @type {Tree} */ (trees.small), name: 'tree' }, setup.disk, true),
  },
}
