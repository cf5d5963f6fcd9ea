/** The definition of `tcp-recv`: its options, examples and the forms of its command line. */
import { defaults } from '../defaults.js'
import { ifExistsChoices } from '../stores/final-name.js'
import type { CommandLine, OptionTable } from './command-line.js'
import { commonOptions, connectionOptions, exitCodesHelp } from './common-options.js'

/** The values of `--compress`. Only a sender can insist. */
export const inflateChoices = ['auto', 'never'] as const

/** The default of `--out`: the working directory. */
export const DEFAULT_OUT = '.'

const options: OptionTable = {
  port: { short: 'p', value: 'PORT', describe: 'Listen on this port; 0 picks a free port' },
  host: { value: 'ADDRESS', fallback: 'all interfaces', describe: 'Listen on this address, or on ADDRESS:PORT' },
  connect: {
    value: 'HOST',
    describe:
      'Fetch one transfer from a listening sender (tcp-send --listen) at HOST or HOST:PORT instead of listening',
  },
  out: {
    short: 'o',
    value: 'DIR',
    fallback: DEFAULT_OUT,
    describe: 'Destination folder, created if missing; - writes one file to standard output',
  },
  once: { describe: 'Exit after one successful transfer' },
  count: { value: 'N', describe: 'Exit after N successful transfers' },
  'one-attempt': { describe: 'Exit after the first transfer with its exit status, even if it failed' },
  wait: {
    value: 'SECONDS',
    describe: 'Wait this many seconds for a sender; with --connect, keep trying to connect for as long',
  },
  'if-exists': {
    value: 'WHAT',
    choices: ifExistsChoices,
    fallback: defaults.ifExists,
    describe: 'If the name is taken: backup (store as file_bak.txt), overwrite, skip, fail or reuse',
  },
  accept: { value: 'TYPE', many: true, describe: 'Accept only this MIME type, such as image/*; may be repeated' },
  'max-size': { value: 'SIZE', describe: 'Maximum size of a file, such as 500M or 2GB' },
  'max-files': {
    value: 'N',
    fallback: String(defaults.maxFiles),
    describe: 'Maximum number of files per transfer; all in directories counts',
  },
  'max-depth': {
    value: 'N',
    fallback: String(defaults.maxDepth),
    describe: 'Maximum number of directories inside each other',
  },
  ...connectionOptions(),
  compress: {
    value: 'WHEN',
    choices: inflateChoices,
    fallback: defaults.compress,
    describe: 'Let senders compress: auto (where it is faster for them) or never',
  },
  'allow-hidden': { describe: 'Accept names that begin with a dot, such as .bashrc' },
  'text-only': { describe: 'Accept only messages (tcp-send --text), no files' },
  'generate-key': { describe: 'Print a new key for --key-file or TCP_TRANSFER_KEY, and exit' },
  'keep-partial': {
    value: 'TIME',
    fallback: '7d',
    describe:
      'Keep what was not completed for this long, so that its sender can go on: 90s, 30m, 12h, 7d; 0 keeps nothing',
  },
  'list-partial': { describe: 'List what is kept in the folder of --out, and exit' },
  clean: { describe: 'Remove what is kept in the folder of --out, and exit' },
  drain: { describe: 'After SIGTERM, take nothing new, let what is under way go on to its end, and exit 0' },
  metrics: {
    value: 'ADDRESS',
    describe: 'Serve figures for Prometheus at /metrics, and /health, on this PORT of 127.0.0.1, or on ADDRESS:PORT',
  },
  'per-key-folder': { describe: 'Store what comes with a named key in a folder of that name, in the folder of --out' },
  exec: {
    value: 'COMMAND',
    describe: 'Run this command after each stored file or directory, without a shell; the README lists its environment',
  },
  plain: { describe: 'Use no protocol: all bytes up to the end of the stream are one file; the end is not verified' },
  name: { value: 'NAME', fallback: defaults.plainName, describe: 'With --plain: store the file under this name' },
  'expect-size': { value: 'SIZE', describe: 'With --plain: fail and store nothing unless the file has this size' },
  'expect-blake3': {
    value: 'DIGEST',
    describe: 'With --plain: fail and store nothing unless the file has this BLAKE3 digest',
  },
  ...commonOptions,
}

export const receiveCommandLine: CommandLine = {
  command: 'tcp-recv',
  purpose: 'receive files and directories over TCP',
  usage: [
    '[options] --port PORT [--out DIR]',
    '[options] --port PORT --out -   (standard output)',
    '[options] --connect HOST --port PORT [--out DIR]',
    '--list-partial | --clean [--out DIR]',
  ],
  options,
  examples: [
    ['tcp-recv --port 9000 --out dir', 'Store every file and directory in dir, until Ctrl-C'],
    ['path=$(tcp-recv --once --port 9000 --out dir)', 'Receive one transfer; print the path of each file'],
    ['tcp-recv --port 9000 --out - | tar -x', 'Unpack one archive; fail unless its end is verified'],
    ['tcp-recv --port 0 --port-file port --out dir', 'Listen on any free port and write it to a file'],
    ['tcp-recv --connect host --port 9000 --out dir', 'Fetch from: tcp-send --listen --port 9000 file.txt'],
    ['umask 077; tcp-recv --generate-key >key', 'Make a key, for both sides: --key-file key'],
    ['tcp-recv --key-file key --port 9000 --out dir', 'Receive from: tcp-send --key-file key file.txt host 9000'],
    ['tcp-recv --code --port 9000 --out dir', 'Print a code, and receive once, encrypted, from who has it'],
    ['tcp-recv --plain --port 9000 --name file.txt', 'Receive from: nc -N host 9000 <file.txt'],
  ],
  epilogue: exitCodesHelp,
}
