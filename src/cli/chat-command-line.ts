/** The definition of `tcp-chat`: its options, examples and the forms of its command line. */
import { defaults } from '../defaults.js'
import type { CommandLine, OptionTable } from './command-line.js'
import { commonOptions, connectionOptions } from './common-options.js'

const {
  quiet,
  json,
  code,
  completion,
  help,
  version,
  fingerprint,
  'key-file': keyFile,
  'port-file': portFile,
} = commonOptions

const { 'proxy-from': _proxies, ...limits } = connectionOptions('When listening')

const options = {
  port: { short: 'p', value: 'PORT', describe: 'Listen on this port; 0 picks a free port' },
  host: {
    value: 'ADDRESS',
    fallback: 'all interfaces',
    describe: 'When listening: listen on this address, or on ADDRESS:PORT',
  },
  name: {
    value: 'NAME',
    fallback: "the user's name",
    describe: 'Your name: at most 32 letters, digits, dots, dashes and underscores',
  },
  room: { describe: 'When listening: any number may join, and each hears all others' },
  echo: { describe: 'When listening: who says a line hears it, too' },
  once: { describe: 'When listening: exit when the first partner has left' },
  plain: { describe: 'When connecting: to a program that is no tcp-chat, such as a server of a course or nc' },
  udp: { describe: 'Over UDP: no connection, no key; lines may be lost, come twice or in another order, untold' },
  wait: {
    value: 'SECONDS',
    describe: 'Keep trying to connect for this many seconds; when listening, wait this long for somebody',
  },
  timeout: {
    value: 'SECONDS',
    fallback: String(defaults.timeout / 1000),
    describe: 'Give up a partner after this many seconds without a sign of life',
  },
  ...limits,
  quiet,
  json,
  'port-file': portFile,
  'key-file': keyFile,
  code,
  fingerprint,
  completion,
  help,
  version,
} as OptionTable

const exitStatuses = [
  '0 one side has ended it',
  '1 internal error',
  '2 wrong usage or unsupported Node.js version',
  '3 cannot connect, listen or resolve',
  '4 key missing or not the same',
  '5 turned away',
  '6 the connection broke',
  '8 cannot write the output',
  '9 nobody came, or no sign of life',
  '129 hung up',
  '130 interrupted',
  '143 terminated',
]

export const chatCommandLine: CommandLine = {
  command: 'tcp-chat',
  purpose: 'talk over TCP',
  usage: ['[options] --port PORT', '[options] HOST PORT   (or HOST:PORT)'],
  options,
  examples: [
    ['tcp-chat --port 9000', 'Wait for a partner and talk; Q, /quit or Ctrl-D ends it, /who lists who is there'],
    ['tcp-chat host 9000', 'Talk to: tcp-chat --port 9000'],
    ['tcp-chat --port 9000 --room', 'Any number may join; each hears all others'],
    ['tcp-chat --plain host 9000', 'Talk to a program that is no tcp-chat, such as: nc -l 9000'],
    ['tcp-chat --udp host 9000', 'Send each line as a datagram to: tcp-chat --udp --port 9000'],
    ['tail -f log | tcp-chat host 9000', 'Say what a command prints, line by line'],
    ['tcp-chat --key-file key host 9000', 'Talk encrypted to: tcp-chat --key-file key --port 9000'],
  ],
  epilogue: `Exit status: ${exitStatuses.join('; ')}.`,
}
