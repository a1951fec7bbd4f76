// EHLO_* of the environment as a layer: EHLO_MX_PORT is --mx-port. A variable that is no option's name is somebody else's
// (serve gives EHLO_SMTP_URL and its kin to the command beside it).
import { kindsOf } from './option-names.ts';
import { fitSetting, type Setting } from './setting.ts';

/** An empty variable counts as unset: that is all a caller can do who cannot unset it. */
export function readEnvironment(env: NodeJS.ProcessEnv): Map<string, Setting> {
  const layer = new Map<string, Setting>();
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith('EHLO_') || !value) continue;
    const name = variable.slice('EHLO_'.length).toLowerCase().replaceAll('_', '-');
    const setting: Setting = { name, value, origin: variable, from: 'environment' };
    if (kindsOf(name).length > 0) layer.set(name, setting);
    else {
      const positive = /^no-(.+)$/.exec(name)?.[1];
      if (positive === undefined || !kindsOf(positive).includes('negatable') || layer.has(positive)) continue;
      layer.set(positive, { ...setting, name: positive, value: fitSetting(setting, 'negatable') !== true });
    }
  }
  return layer;
}
