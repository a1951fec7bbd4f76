// A self-signed certificate for localhost and 127.0.0.1, good for a hundred years. It protects nothing.

export const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUMrJAsJc8teTbOa846fn2LMjuHmowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzE4MDIxMVoYDzIxMjYxMDMw
MTgwMjExWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAR4S0jMhWp499F4/hamJcFNtoTz6xeuddrpxNF+/VGRqHrgXYQyT0If
g7+/tg5difPGUAxeVf+8b5hP/CnCMDngo28wbTAdBgNVHQ4EFgQUZSTlN08gStDI
ot14rGAKgrbab1AwHwYDVR0jBBgwFoAUZSTlN08gStDIot14rGAKgrbab1AwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgWDZO31QfnKAmWWMor7jUQPGWakjuadfPvnLCzp0CT8oCIAku
nVXuAKr+t8M4dtQVebbkTpDsd2dsjry1RYwpY+OB
-----END CERTIFICATE-----
`;

export const testKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgnbL+c8joUOt8R+LA
8BZ9UnXnC3Y9f4hXuUcOukuJSt+hRANCAAR4S0jMhWp499F4/hamJcFNtoTz6xeu
ddrpxNF+/VGRqHrgXYQyT0Ifg7+/tg5difPGUAxeVf+8b5hP/CnCMDng
-----END PRIVATE KEY-----
`;
