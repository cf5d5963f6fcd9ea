/**
 * Who takes part: for each candidate its command lines and what it promises.
 *
 * The lines are run by `sh` in the repository's folder, with these variables:
 * SOURCE (the file), FOLDER and TARGET (where it goes: TARGET is FOLDER with SOURCE's last part), PORT, NODE (this
 * Node), WORK (a temporary folder for keys and configuration), USER_NAME.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateKey } from '../dist/keys.js'
import { removeAtEnd } from './files.js'
import { shellEnvironment } from './measure.js'

/**
 * @typedef {object} Peer
 * @property {string} id                 its name for --peers
 * @property {string} label              its name in the tables
 * @property {string} promises           what exit 0 of the sender tells
 * @property {string[]} tools            the programs it needs
 * @property {[sender: string, receiver: string]} [file]   from SOURCE into TARGET
 * @property {[sender: string, receiver: string]} [pipe]   from standard input to standard output
 * @property {boolean} [isDurable]       has done its fsync before it exits
 * @property {boolean} [isDaemon]        its receiver goes on after the transfer, until it is stopped
 * @property {(work: string) => string | null} [prepare]   makes what it needs in WORK; the reason why it cannot
 */

/**
 * A candidate that only copies between standard input, the connection and standard output.
 * @param {string} id @param {string} label @param {string} sender @param {string} receiver
 * @returns {Peer}
 */
function copier(id, label, sender, receiver) {
  const file = /** @type {[string, string]} */ ([`${sender} <"$SOURCE"`, `${receiver} >"$TARGET"`])
  return { id, label, promises: 'nothing', tools: [id.replace(/-.*/, '')], file, pipe: [sender, receiver] }
}

/** @param {string} id @param {string} label @param {string} options */
function socat(id, label, options) {
  const receiver = `socat -u${options} TCP-LISTEN:$PORT,bind=127.0.0.1,reuseaddr STDOUT`
  return copier(id, label, `socat -u${options} STDIN TCP:127.0.0.1:$PORT`, receiver)
}

/** @param {string} id @param {string} label @param {string} options */
function mbuffer(id, label, options) {
  return copier(id, label, `mbuffer -q${options} -O 127.0.0.1:$PORT`, `mbuffer -q${options} -I 127.0.0.1:$PORT`)
}

/** @type {Peer} */
export const ours = {
  id: 'ours',
  label: 'tcp-send / tcp-recv',
  promises: 'verified + durable',
  tools: [],
  isDurable: true,
  file: [
    '"$NODE" bin/tcp-send.js "$SOURCE" 127.0.0.1 $PORT',
    '"$NODE" bin/tcp-recv.js --port $PORT --json --once --out "$FOLDER" --host 127.0.0.1',
  ],
  pipe: [
    '"$NODE" bin/tcp-send.js --name data.bin - 127.0.0.1 $PORT',
    '"$NODE" bin/tcp-recv.js --port $PORT --json --once --out - --host 127.0.0.1',
  ],
}

/** @type {Peer} */
const nc = {
  ...copier('nc', 'nc (OpenBSD)', 'nc -N 127.0.0.1 $PORT', 'nc -d -l 127.0.0.1 $PORT'),
  prepare: () => (/OpenBSD/.test(spawnSync('nc', ['-h']).stderr.toString()) ? null : "nc is not OpenBSD's"),
}

/** @type {Peer} */
const rsync = {
  id: 'rsync',
  label: 'rsync daemon, --whole-file --inplace',
  promises: 'checksum',
  tools: ['rsync'],
  isDaemon: true,
  file: [
    'rsync --whole-file --inplace "$SOURCE" rsync://127.0.0.1:$PORT/out/',
    'rsync --daemon --no-detach --config="$WORK/rsyncd.conf" --address=127.0.0.1 --port=$PORT --dparam=path="$FOLDER"',
  ],
  prepare(work) {
    // Started by root, the daemon would store as "nobody".
    const owner = process.getuid?.() === 0 ? 'uid = root\ngid = root\n' : ''
    const log = join(work, 'rsyncd.log')
    writeFileSync(
      join(work, 'rsyncd.conf'),
      `use chroot = no\nread only = no\n${owner}log file = ${log}\nreverse lookup = no\n[out]\n`,
    )
    return null
  },
}

/** @type {Peer} */
const scp = {
  id: 'scp',
  label: 'scp',
  promises: 'encrypted',
  tools: ['scp', 'sshd', 'ssh-keygen'],
  isDaemon: true,
  file: [
    'scp -q -F none -i "$WORK/user-key" -P $PORT -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null ' +
      '-o BatchMode=yes -o IdentitiesOnly=yes -o LogLevel=ERROR "$SOURCE" "$USER_NAME@127.0.0.1:$TARGET"',
    '"$(command -v sshd)" -D -e -f "$WORK/sshd.conf" -o ListenAddress=127.0.0.1:$PORT',
  ],
  prepare(work) {
    // Where no service manager has done it, root's sshd still wants this folder, empty.
    if (process.getuid?.() === 0) removeAtEnd(mkdirSync('/run/sshd', { recursive: true, mode: 0o755 }))
    for (const key of ['host-key', 'user-key']) {
      const made = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(work, key)])
      if (made.status !== 0) return 'ssh-keygen made no key'
    }
    const lines = [`HostKey ${work}/host-key`, `AuthorizedKeysFile ${work}/user-key.pub`, 'PidFile none']
    lines.push('StrictModes no', 'PermitRootLogin prohibit-password', 'Subsystem sftp internal-sftp', 'LogLevel ERROR')
    writeFileSync(join(work, 'sshd.conf'), `${lines.join('\n')}\n`)
    const tested = spawnSync('sh', ['-c', '"$(command -v sshd)" -t -f "$WORK/sshd.conf"'], {
      env: shellEnvironment({ WORK: work }),
    })
    return tested.status === 0 ? null : `sshd will not run: ${tested.stderr.toString().trim()}`
  },
}

/** @type {Peer} */
const limit = {
  ...copier('limit', 'C: sendfile / 1 MiB recv + write', '"$WORK/limit" send $PORT', '"$WORK/limit" recv $PORT'),
  tools: ['cc'],
  prepare(work) {
    const source = new URL('limit.c', import.meta.url).pathname
    const made = spawnSync('cc', ['-O2', '-Wall', '-o', join(work, 'limit'), source])
    return made.status === 0 ? null : `cc will not compile limit.c: ${made.stderr.toString().trim()}`
  },
}

/** This tool as it is without a key, for `--key`. @type {Peer} */
const open = { ...ours, file: [...ours.file], pipe: [...ours.pipe], id: 'open', label: 'tcp-send / tcp-recv, no key' }

/** @param {string} work */
function makeCertificate(work) {
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const made = spawnSync('openssl', [...args, '-subj', '/CN=127.0.0.1', '-keyout', 'tls.key', '-out', 'tls.crt'], {
    cwd: work,
  })
  if (made.status !== 0) return `openssl made no certificate: ${made.stderr}`
  const [key, certificate] = ['tls.key', 'tls.crt'].map((name) => readFileSync(join(work, name), 'utf8'))
  writeFileSync(join(work, 'tls.pem'), `${key}${certificate}`)
  return null
}

const tls = { promises: 'encrypted', prepare: makeCertificate }

/** @type {Peer} */
const socatTls = {
  ...copier(
    'socat-tls',
    'socat -b 1048576, OPENSSL',
    'socat -u -b 1048576 STDIN OPENSSL:127.0.0.1:$PORT,verify=0',
    'socat -u -b 1048576 OPENSSL-LISTEN:$PORT,bind=127.0.0.1,reuseaddr,cert="$WORK/tls.pem",verify=0 STDOUT',
  ),
  ...tls,
  tools: ['socat', 'openssl'],
}

/** @type {Peer} */
const ncatTls = {
  ...copier(
    'ncat-tls',
    'ncat --ssl',
    'ncat --ssl --send-only 127.0.0.1 $PORT',
    // ncat ends without the end of TLS, which it then takes for an error. What it has received is compared all the same.
    `sh -c 'ncat --ssl --ssl-cert "$WORK/tls.crt" --ssl-key "$WORK/tls.key" --recv-only -l 127.0.0.1 $PORT; true'`,
  ),
  ...tls,
  tools: ['ncat', 'openssl'],
}

/** Gives this tool a key from now on. @param {string} work */
export function useKey(work) {
  writeFileSync(join(work, 'key'), `${generateKey()}\n`, { mode: 0o600 })
  const keyed = (/** @type {string} */ line) => `${line} --key-file "$WORK/key"`
  ours.label += ', with a key'
  ours.promises += ' + encrypted'
  for (const lines of [ours.file, ours.pipe]) lines?.splice(0, 2, ...lines.map(keyed))
}

/** Those to compare with if this tool has a key. */
export const keyPeers = [open, socatTls, ncatTls, scp]

export const peers = [
  limit,
  mbuffer('mbuffer-1m', 'mbuffer -s 1M -m 64M', ' -s 1M -m 64M'),
  mbuffer('mbuffer', 'mbuffer', ''),
  socat('socat-1m', 'socat -b 1048576', ' -b 1048576'),
  socat('socat', 'socat', ''),
  rsync,
  copier('ncat', 'ncat', 'ncat --send-only 127.0.0.1 $PORT', 'ncat --recv-only -l 127.0.0.1 $PORT'),
  nc,
  scp,
]

/**
 * Makes a peer ready to run.
 * @param {Peer} peer @param {string} work
 * @returns {string | null} the reason why it must be skipped
 */
export function preparePeer(peer, work) {
  const missing = peer.tools.filter((tool) => !isInstalled(tool))
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`
  return peer.prepare?.(work) ?? null
}

/** @param {string} tool */
function isInstalled(tool) {
  const folders = String(shellEnvironment({}).PATH).split(':')
  return folders.some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
