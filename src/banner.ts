import type { AppConfig } from './config/app-config.js';

/** What a person sees who has just typed `npm start`. */
export function startBanner(config: AppConfig): string {
  const base = config.http.publicBaseUrl;
  const lines = [
    '',
    `  Mediadock is up at ${base} (role ${config.role})`,
    `  API documentation   ${base}/docs`,
    `  Health              ${base}/health/ready`,
    ...(config.auth.key.kind === 'generated' ? tryIt(base) : []),
    '',
  ];
  return `${lines.join('\n')}\n`;
}

function tryIt(base: string): string[] {
  return [
    '  Try it:',
    '    TOKEN=$(npm run --silent token -- alice)',
    `    curl -s -H "Authorization: Bearer $TOKEN" ${base}/v1/quota`,
  ];
}
