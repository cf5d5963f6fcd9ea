/** The definition of `tcp-send`: its options, examples and the forms of its command line. */
import { defaults } from '../defaults.js'
import { compressModes } from '../transfer/compression.js'
import type { CommandLine, OptionTable } from './command-line.js'
import { commonOptions, connectionOptions, exitCodesHelp } from './common-options.js'

const options: OptionTable = {
  name: { value: 'NAME', describe: 'Send the file or directory under this name instead of its own' },
  exclude: {
    value: 'PATTERN',
    many: true,
    describe: 'Leave these parts of directories out: a pattern as in .gitignore; may be repeated',
  },
  'exclude-from': { value: 'FILE', many: true, describe: 'Read such patterns from this file, one a line' },
  gitignore: { describe: 'Leave out what the .gitignore files in a directory name' },
  follow: { describe: 'Send what the symlinks in a directory lead to instead of the symlinks' },
  'dry-run': { describe: 'List what would be sent, with sizes, and neither connect nor listen' },
  text: {
    value: 'MESSAGE',
    describe: 'Send a message instead of a file; the receiver prints it (- reads standard input)',
  },
  wait: {
    value: 'SECONDS',
    describe: 'Keep trying to connect for this many seconds; with --listen, wait this long for a receiver',
  },
  listen: { describe: 'Listen for receivers (tcp-recv --connect) instead of connecting' },
  port: { short: 'p', value: 'PORT', describe: 'With --listen: listen on this port; 0 picks a free port' },
  host: {
    value: 'ADDRESS',
    fallback: 'all interfaces',
    describe: 'With --listen: listen on this address, or on ADDRESS:PORT',
  },
  count: {
    value: 'N',
    fallback: String(defaults.sendCount),
    describe: 'With --listen: exit after N successful transfers; 0 means never',
  },
  'one-attempt': { describe: 'With --listen: exit after the first transfer with its exit status, even if it failed' },
  ...connectionOptions('With --listen'),
  compress: {
    value: 'WHEN',
    choices: compressModes,
    fallback: defaults.compress,
    describe: 'Compress on the way: auto (where it is faster), always or never',
  },
  delta: { describe: 'Send only what differs from a file that the receiver replaces (tcp-recv --if-exists overwrite)' },
  plain: { describe: 'Use no protocol: send the bytes of one file and end the stream; nothing is confirmed' },
  'expect-size': { value: 'SIZE', describe: 'Fail unless the input has this size; nothing is stored then' },
  'expect-blake3': {
    value: 'DIGEST',
    describe: 'Fail unless the input has this BLAKE3 digest; nothing is stored then',
  },
  ...commonOptions,
}

export const sendCommandLine: CommandLine = {
  command: 'tcp-send',
  purpose: 'send files and directories over TCP',
  usage: [
    '[options] PATH... HOST PORT   (or HOST:PORT)',
    '[options] --name NAME - HOST PORT   (standard input)',
    '[options] --listen --port PORT PATH...',
    '[options] --text MESSAGE HOST PORT',
  ],
  options,
  examples: [
    ['tcp-send file.txt host 9000', 'Send a file to: tcp-recv --port 9000 --out dir'],
    ['tcp-send project host 9000', 'Send a directory with everything in it'],
    ['tcp-send --dry-run project host 9000', 'List what would be sent'],
    ['tcp-send a.txt b.txt host 9000', 'Send two files over one connection'],
    ['pg_dump db | tcp-send --name db.sql - host 9000', 'Send what a command prints; use "set -o pipefail"'],
    ['tcp-send --wait 60 file.txt host 9000', 'Wait up to a minute for the receiver to start'],
    ['tcp-send --listen --port 9000 file.txt', 'Serve a receiver behind NAT: tcp-recv --connect host --port 9000'],
    ['tcp-send --key-file key file.txt host 9000', 'Send encrypted to: tcp-recv --key-file key --port 9000'],
    [
      'tcp-send --code file.txt host 9000',
      'Send encrypted to: tcp-recv --code --port 9000; asks for the words it prints',
    ],
    ['tcp-send --plain file.txt host 9000', 'Send to: nc -l 9000 >file.txt'],
    ['tcp-send --text "build 42 is up" host 9000', 'Send a message'],
  ],
  epilogue: exitCodesHelp,
}
